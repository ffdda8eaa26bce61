package access

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sync/singleflight"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/lru"
)

const (
	maxPasswordFile = 4 << 20
	maxPassword     = 1024
	// maxCost bounds what one password costs: 1.5 s of a processor. The htpasswd command makes 5 unless told otherwise.
	maxCost = 14
)

// A passwordSet is an htpasswd file: bcrypt hashes by user.
type passwordSet struct {
	hashes map[string]string
	decoy  string // the dearest of them, for users that there are not; "" where there is none
}

// parsePasswords reads an htpasswd file. Other hashes than bcrypt are refused: they are quick to try, or no hashes at all.
func parsePasswords(b []byte) (*passwordSet, error) {
	s := &passwordSet{hashes: map[string]string{}}
	dearest := 0
	for i, line := range strings.Split(string(b), "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		user, hash, _ := strings.Cut(line, ":")
		cost, err := bcrypt.Cost([]byte(hash))
		switch {
		case user == "" || hash == "":
			return nil, fmt.Errorf("line %d: it is not USER:HASH; add users with: htpasswd -B FILE USER", i+1)
		case !strings.HasPrefix(hash, "$2") || err != nil || len(hash) != 60:
			return nil, fmt.Errorf("line %d: the hash of %.80q is not bcrypt's; set the password again with: htpasswd -B FILE USER", i+1, user)
		case cost > maxCost:
			return nil, fmt.Errorf("line %d: the hash of %.80q has cost %d, and each doubles the time; at most %d is taken: htpasswd -B -C 10 FILE USER", i+1, user, cost, maxCost)
		case s.hashes[user] != "":
			return nil, fmt.Errorf("line %d: %.80q stands in the file twice; remove one of the lines", i+1, user)
		}
		s.hashes[user] = hash
		if cost > dearest {
			dearest, s.decoy = cost, hash
		}
	}
	return s, nil
}

// passwords is one htpasswd file in use.
type passwords struct {
	file     *watched[*passwordSet]
	verifier *verifier
}

// check reports whether a user of the file has the password, and whether it had to be compared to know that, which may is asked first.
// A user that there is not takes as long as one whose password is wrong.
func (p *passwords) check(ctx context.Context, user, password string, may func() error) (ok, compared bool, err error) {
	if len(password) > maxPassword {
		return false, false, nil
	}
	set := p.file.get()
	hash, known := set.hashes[user]
	if !known {
		set = p.file.latest() // he may have been added a moment ago
		hash, known = set.hashes[user]
	}
	if !known {
		hash = set.decoy
	}
	if hash == "" {
		return false, false, nil
	}
	ok, compared, err = p.verifier.verify(ctx, user, hash, password, may)
	return ok && known, compared, err
}

// verdictMemory holds a few thousand verdicts.
const verdictMemory = 1 << 20

// A verifier compares passwords with bcrypt hashes, a few at once, and remembers which were right and which were wrong: a build sends
// the same one a thousand times, and each time would take 50 ms. What it remembers is an HMAC with a key of this process, over the
// hash too: a password that was changed is forgotten, and a copy of the memory is of no use elsewhere. Who guesses cannot push
// out what was right.
type verifier struct {
	key     []byte
	right   *lru.Cache[struct{}]
	wrong   *lru.Cache[struct{}]
	running singleflight.Group // of the same password at once
	slots   chan struct{}
	waiting atomic.Int64
}

// maxWaiting bounds the passwords that are being compared or wait for it.
const maxWaiting = 200

func newVerifier() *verifier {
	cost := func(struct{}) int64 { return 0 }
	v := &verifier{
		key:   make([]byte, sha256.Size),
		right: lru.New(verdictMemory, cost),
		wrong: lru.New(verdictMemory, cost),
		slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)), // the other half serves
	}
	rand.Read(v.key) // never fails
	return v
}

func (v *verifier) verify(ctx context.Context, user, hash, password string, may func() error) (ok, compared bool, err error) {
	id := v.id(user, hash, password)
	if _, ok := v.right.Get(id); ok {
		return true, false, nil
	}
	if _, ok := v.wrong.Get(id); ok {
		return false, false, nil
	}
	if err := may(); err != nil {
		return false, false, err
	}
	if v.waiting.Load() >= maxWaiting {
		return false, false, &goproxy.Unavailable{
			Reason:     "too many passwords are being verified; tokens are verified at once (modhaven token create)",
			RetryAfter: time.Second,
		}
	}
	// The comparison is nobody's: the others that wait for it stay when one client leaves.
	c := v.running.DoChan(id, func() (any, error) { return v.compare(id, hash, password) })
	select {
	case r := <-c:
		ok, _ := r.Val.(bool)
		return ok, true, r.Err
	case <-ctx.Done():
		return false, false, context.Cause(ctx)
	}
}

// id names a password of a user with a hash.
func (v *verifier) id(user, hash, password string) string {
	mac := hmac.New(sha256.New, v.key)
	for _, part := range []string{user, hash, password} {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		mac.Write([]byte(part))
	}
	return string(mac.Sum(nil))
}

// compare compares when there is a slot, and remembers the verdict.
func (v *verifier) compare(id, hash, password string) (bool, error) {
	v.waiting.Add(1)
	v.slots <- struct{}{}
	defer func() { <-v.slots; v.waiting.Add(-1) }()
	switch err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)); {
	case err == nil:
		v.right.Put(id, struct{}{})
		return true, nil
	case errors.Is(err, bcrypt.ErrMismatchedHashAndPassword):
		v.wrong.Put(id, struct{}{})
		return false, nil
	default:
		return false, err
	}
}
