package config

import "strings"

// Nearest returns the one of words that name is most likely a slip of; "" when none is
// near. Neither case, nor dashes for underscores, nor what all keys begin with counts.
func Nearest(name string, words []string) string {
	best, least := "", 0
	for _, w := range words {
		d := distance(fold(name), fold(w))
		if d <= max(1, len(fold(w))/3) && (best == "" || d < least) {
			best, least = w, d
		}
	}
	return best
}

func fold(s string) string {
	s = strings.TrimPrefix(strings.TrimPrefix(s, "--"), EnvPrefix)
	return strings.ReplaceAll(strings.ToLower(s), "-", "_")
}

// distance is how many letters must be added, dropped, changed or swapped with their
// neighbour to make b of a.
func distance(a, b string) int {
	if len(a) > 64 { // no word is as long, and the work must be bounded
		return len(a)
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
