package doctor

import (
	"testing"

	"github.com/modhaven/modhaven/internal/proxytest"
)

func TestMain(m *testing.M) {
	if runHelper() {
		return
	}
	proxytest.Main(m)
}
