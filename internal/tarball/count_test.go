package tarball

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// What is known of a chunk's literals must give the same codes as counting them, wherever
// blocks begin.
func TestLiteralCounts(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for _, n := range []int{0, 1, countStep - 1, countStep, countStep + 1, 3 * countStep, 200_000} {
		buf := make([]byte, n)
		var tokens []token
		for i := range buf {
			buf[i] = byte(r.ExpFloat64() * 20)
		}
		for at := 0; at < n; {
			k := min(1+r.IntN(1000), n-at)
			switch r.IntN(6) {
			case 0:
				tokens = append(tokens, match(minMatch+r.IntN(100), 1+r.IntN(maxDist)))
			case 1:
				tokens = append(tokens, literal(buf[at]))
				at++
			case 2:
				k = min(k*30, n-at)
				fallthrough
			default:
				tokens = append(tokens, literalRun(at, k))
				at += k
			}
		}
		known := literalCounts(nil).count(tokens, buf)
		if want := runLiterals(tokens) / countStep; len(known) != want {
			t.Errorf("%d bytes: expected %d counts, got %d", n, want, len(known))
		}
		for _, skip := range []int{0, 1, len(tokens) / 2, len(tokens)} {
			skip = min(skip, len(tokens))
			for _, begun := range []int{0, 1, 5000, blockTokens - 1} {
				var files [2]bytes.Buffer
				for i := range files {
					d := newDeflater(newBitWriter(&files[i]), bytes.NewReader(buf))
					for range begun {
						d.add([]token{literal(7)}, nil, nil, 0)
					}
					if i == 0 {
						d.add(tokens[skip:], buf, nil, 0)
					} else {
						d.add(tokens[skip:], buf, known, runLiterals(tokens[:skip]))
					}
					d.flush(true)
					d.out.align()
					d.out.flush()
				}
				if !bytes.Equal(files[0].Bytes(), files[1].Bytes()) {
					t.Errorf("%d bytes after %d symbols, without the first %d tokens: other bytes", n, begun, skip)
				}
			}
		}
	}
}
