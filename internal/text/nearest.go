package text

// Nearest returns the name that is spelled most like word. At most two letters,
// or half of word's if that is more, may be wrong, missing or added; among
// equals the first wins. It reports whether there is such a name.
func Nearest(word string, names []string) (string, bool) {
	best, limit := "", 1+max(2, min(len(word), maxWord)/2)
	for _, name := range names {
		if d := distance(word, name); d < limit {
			best, limit = name, d
		}
	}
	return best, best != ""
}

// maxWord bounds the work on a word that a stranger wrote.
const maxWord = 64

// distance is the Levenshtein distance in bytes, upper and lower case alike.
func distance(a, b string) int {
	a, b = a[:min(len(a), maxWord)], b[:min(len(b), maxWord)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if lower(a[i]) != lower(b[j]) {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
