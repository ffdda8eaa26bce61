package proxytest

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/note"
)

// A SumDB is a checksum database. It is a server of its own, and an upstream can carry
// it too ([WithSumDB]).
//
// Its key depends on its name alone, and its first records on the modules it starts
// with. So two databases of one name that start with different modules are a fork: two
// histories, signed by one key.
type SumDB struct {
	*Server
	Name string
	Key  string // for GOSUMDB: asked through the proxies

	cat catalog
}

// NewSumDB starts a database for the fixtures and mods; where both have a version, mods
// win. A name may have slashes: "sum.example.com/db".
func NewSumDB(t TB, name string, mods ...Module) *SumDB {
	t.Helper()
	signer, verifier, err := keys(name)
	if err != nil {
		t.Fatalf("proxytest: %s: %v", name, err)
	}
	db := &SumDB{Name: name, Key: verifier}
	for _, m := range append(Fixtures(t), mods...) {
		if err := db.cat.add(m); err != nil {
			t.Fatalf("proxytest: %v", err)
		}
	}
	ops := sumdb.NewTestServer(signer, db.cat.gosum)
	for _, m := range db.cat.all() {
		if _, err := ops.Lookup(t.Context(), m); err != nil {
			t.Fatalf("proxytest: %v", err)
		}
	}
	next := sumdb.NewServer(ops)
	db.Server = NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/supported" {
			return
		}
		next.ServeHTTP(w, r)
	}))
	return db
}

// Add makes a version known. One that has been looked up keeps its first record.
func (db *SumDB) Add(m Module) {
	db.t.Helper()
	if err := db.cat.add(m); err != nil {
		db.t.Fatalf("proxytest: %v", err)
	}
}

// Spec is the value of GOSUMDB with which the go command asks the database itself and
// no proxy.
func (db *SumDB) Spec() string { return db.Key + " " + db.URL }

// Lookup is the name of a version's record below the database's address:
// "lookup/example.com/!upper@v1.0.0".
func (m Module) Lookup() string {
	return "lookup/" + strings.TrimSuffix(strings.Replace(m.Name(""), "/@v/", "@", 1), ".")
}

// keys makes a signer's and a verifier's key that depend on name alone.
func keys(name string) (signer, verifier string, err error) {
	seed := sha256.Sum256([]byte("proxytest " + name))
	priv := ed25519.NewKeyFromSeed(seed[:])
	verifier, err = note.NewEd25519VerifierKey(name, priv.Public().(ed25519.PublicKey))
	if err != nil {
		return "", "", err
	}
	nameAndHash := verifier[:len(name+"+01234567")]
	const ed25519Algorithm = 1 // golang.org/x/mod/sumdb/note
	secret := base64.StdEncoding.EncodeToString(append([]byte{ed25519Algorithm}, seed[:]...))
	return "PRIVATE+KEY+" + nameAndHash + "+" + secret, verifier, nil
}

// all returns every version, in one order.
func (c *catalog) all() []module.Version {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []module.Version
	for _, versions := range c.mods {
		for _, m := range versions {
			all = append(all, module.Version{Path: m.Path, Version: m.Version})
		}
	}
	module.Sort(all)
	return all
}
