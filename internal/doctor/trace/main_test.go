package trace

import (
	"testing"

	"github.com/modhaven/modhaven/internal/proxytest"
)

func TestMain(m *testing.M) {
	proxytest.Main(m)
}
