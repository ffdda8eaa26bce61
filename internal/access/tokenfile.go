package access

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// Create makes a token, adds it to the file, which need not exist, and returns it as its owner needs it: it is in no other place and
// cannot be had again. A token of the same name that is expired or revoked is replaced; a good one is an error. expires is the zero time
// for never. Servers that use the file take the token at once; several processes may write to it at once.
func Create(file, name string, groups []string, now, expires time.Time) (secret string, err error) {
	for _, n := range append([]string{name}, groups...) {
		if err := CheckName(n); err != nil {
			return "", err
		}
	}
	t := Token{Name: name, Groups: groups, Created: now, Expires: expires}
	secret = newSecret()
	t.hash = hashOf(secret)
	err = change(file, func(all []Token) ([]Token, error) {
		i := slices.IndexFunc(all, func(old Token) bool { return old.Name == name })
		switch {
		case i < 0 && len(all) == maxTokens:
			return nil, fmt.Errorf("%s: it has %d tokens already, the most that are possible; remove old lines", file, maxTokens)
		case i < 0:
			return append(all, t), nil
		case all[i].Problem(now) == "":
			return nil, fmt.Errorf("%s: it has a good token %s already; revoke it first, or choose another name", file, name)
		}
		all[i] = t
		return all, nil
	})
	if err != nil {
		return "", err
	}
	return secret, nil
}

// Revoke ends a token. Servers that use the file refuse it within a second. One that is revoked already stays so, with its time; a name
// that no token has is an error.
func Revoke(file, name string, now time.Time) error {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: there is no such file of tokens; is it another state directory?", file)
	}
	return change(file, func(all []Token) ([]Token, error) {
		i := slices.IndexFunc(all, func(t Token) bool { return t.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("%s: it has no token %.80q; modhaven token list shows those that it has", file, name)
		}
		if all[i].Revoked.IsZero() {
			all[i].Revoked = now
		}
		return all, nil
	})
}

// List returns the tokens of a file in its order, none where it does not exist.
func List(file string) ([]Token, error) {
	b, _, err := readBounded(file, maxTokenFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s, err := parseTokens(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return s.all, nil
}

// change replaces a file of tokens by what edit makes of it, under a lock that all processes heed.
func change(file string, edit func([]Token) ([]Token, error)) error {
	lock := flock.New(file+".lock", flock.SetPermissions(0o644))
	if err := lock.Lock(); err != nil {
		return fmt.Errorf("%s: it cannot be locked: %w", file, err)
	}
	defer lock.Close()
	all, err := List(file)
	if err != nil {
		return err
	}
	if all, err = edit(all); err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString(header)
	for i := range all {
		b.WriteString(all[i].String() + "\n")
	}
	return replace(file, b.String())
}

// replace gives a file new text, or leaves it as it is. It keeps its mode and owner, since the user that serves may be another one; a new one is
// for the owner of its directory alone.
func replace(file, text string) error {
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	var errs []error
	if fi, err := os.Stat(file); err == nil {
		errs = append(errs, f.Chmod(fi.Mode().Perm()), own(f, fi))
	} else if fi, err := os.Stat(filepath.Dir(file)); err == nil {
		errs = append(errs, own(f, fi))
	}
	_, err = f.WriteString(text)
	if err := errors.Join(append(errs, err, f.Sync(), f.Close())...); err != nil {
		return fmt.Errorf("%s: it stays as it was: %w", file, err)
	}
	return os.Rename(f.Name(), file)
}
