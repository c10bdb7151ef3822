package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"facerec/internal/text"
)

// The embeddings in this file are made up: points in a few dimensions.

// pictureOf makes a picture whose faces are at the given points.
func pictureOf(name string, points ...[]float32) []GroupFace {
	var out []GroupFace
	for i, p := range points {
		f := GroupFace{Picture: name, Index: i, Content: sha256.Sum256([]byte(name))}
		copy(f.Descriptor[:], p)
		out = append(out, f)
	}
	return out
}

// show is a grouping by the names of pictures, and the faces in them that are
// not the first.
func show(groups [][]GroupFace) string {
	var out []string
	for _, g := range groups {
		var names []string
		for _, f := range g {
			name := f.Picture
			if f.Index > 0 {
				name += fmt.Sprintf("/%d", f.Index+1)
			}
			names = append(names, name)
		}
		out = append(out, strings.Join(names, " "))
	}
	return strings.Join(out, "; ")
}

func TestGroup(t *testing.T) {
	at := func(p ...float32) []float32 { return p }
	for _, tt := range []struct {
		name     string
		pictures [][]GroupFace
		want     string
	}{
		{"none", nil, ""},
		{"one", [][]GroupFace{pictureOf("a", at(0))}, "a"},
		{"two near", [][]GroupFace{pictureOf("a", at(0)), pictureOf("b", at(0.5))}, "a b"},
		{"two at the threshold", [][]GroupFace{pictureOf("a", at(0)), pictureOf("b", at(1))}, "a; b"},
		{"the largest first", [][]GroupFace{pictureOf("a", at(9)), pictureOf("b", at(0)), pictureOf("c", at(0.1))}, "b c; a"},
		// The two that are furthest apart count: a chain is not one person.
		{"a chain", [][]GroupFace{pictureOf("a", at(0)), pictureOf("b", at(0.5)), pictureOf("c", at(1.1)), pictureOf("d", at(1.5))}, "a b; c d"},
		{"two of one picture", [][]GroupFace{pictureOf("a", at(0), at(0))}, "a; a/2"},
		{"two of one picture and a third", [][]GroupFace{pictureOf("a", at(0), at(0.3)), pictureOf("b", at(0.2))}, "a/2 b; a"},
		{"two pictures of two", [][]GroupFace{pictureOf("a", at(0), at(0.3)), pictureOf("b", at(0.31), at(0.02))}, "a b/2; a/2 b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			groups, err := Group(t.Context(), slices.Concat(tt.pictures...), 1)
			got := strings.Split(show(groups), "; ")
			want := strings.Split(tt.want, "; ")
			slices.Sort(got)
			slices.Sort(want) // equally large ones are ordered by hash
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("expected %q, got %q, %v", tt.want, show(groups), err)
			}
			for i := 1; i < len(groups); i++ {
				if len(groups[i]) > len(groups[i-1]) {
					t.Errorf("the largest is not first: %s", show(groups))
				}
			}
		})
	}
}

// randomFaces scatters faces around a few people, several to a picture. With
// steps, all coordinates are multiples of one number, and many distances equal.
func randomFaces(r *rand.Rand, n int, steps bool) []GroupFace {
	var out []GroupFace
	for i := 0; len(out) < n; i++ {
		var points [][]float32
		for range 1 + r.IntN(3) {
			p := make([]float32, 3)
			for k := range p {
				p[k] = float32(r.IntN(3)) + 0.4*float32(r.NormFloat64())
				if steps {
					p[k] = float32(math.Round(float64(p[k])*4) / 4)
				}
			}
			points = append(points, p)
		}
		out = append(out, pictureOf(fmt.Sprintf("p%03d", i), points...)...)
	}
	return out
}

// slowGroup joins the two nearest groups until there are none, as the
// definition of complete linkage says.
func slowGroup(faces []GroupFace, threshold float64) [][]GroupFace {
	var groups [][]GroupFace
	for _, f := range faces {
		groups = append(groups, []GroupFace{f})
	}
	for {
		a, b, least := 0, 0, threshold
		for i := range groups {
			for j := range i {
				far := 0.0
				for x := range groups[i] {
					for y := range groups[j] {
						f, g := &groups[i][x], &groups[j][y]
						if f.Content == g.Content {
							far = math.Inf(1)
						}
						far = max(far, Distance(&f.Descriptor, &g.Descriptor))
					}
				}
				if far < least {
					a, b, least = j, i, far
				}
			}
		}
		if a == b {
			return groups
		}
		groups[a] = append(groups[a], groups[b]...)
		groups = slices.Delete(groups, b, b+1)
	}
}

// set is a grouping without any order.
func set(groups [][]GroupFace) []string {
	var out []string
	for _, g := range groups {
		g = slices.Clone(g)
		slices.SortFunc(g, func(a, b GroupFace) int { return byPicture(&a, &b) })
		out = append(out, show([][]GroupFace{g}))
	}
	slices.Sort(out)
	return out
}

// Without ties there is one complete linkage, and the chain finds it.
func TestGroupIsCompleteLinkage(t *testing.T) {
	for seed := range uint64(10) {
		faces := randomFaces(rand.New(rand.NewPCG(seed, 1)), 60, false)
		for _, threshold := range []float64{0.3, 0.8, 1.5, 10} {
			got, err := Group(t.Context(), faces, threshold)
			if want := set(slowGroup(faces, threshold)); err != nil || !slices.Equal(set(got), want) {
				t.Fatalf("seed %d, threshold %v: expected %v, got %v, %v", seed, threshold, want, set(got), err)
			}
		}
	}
}

// With ties too, every group is nearer together than the threshold, no two could
// be joined, and the order of the input and the names do not matter.
func TestGroupWithTies(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 2))
		faces := randomFaces(r, 60, true)
		groups, err := Group(t.Context(), faces, 1)
		if err != nil {
			t.Fatal(err)
		}
		far := func(a, b []GroupFace) float64 {
			d := 0.0
			for i := range a {
				for j := range b {
					switch same := a[i].Content == b[j].Content; {
					case same && a[i].Index == b[j].Index:
					case same:
						return math.Inf(1)
					default:
						d = max(d, Distance(&a[i].Descriptor, &b[j].Descriptor))
					}
				}
			}
			return d
		}
		n := 0
		for i := range groups {
			n += len(groups[i])
			for j := range i + 1 {
				if d := far(groups[i], groups[j]); (d < 1) != (i == j) {
					t.Fatalf("seed %d: groups %d and %d of %s are %v apart", seed, i, j, show(groups), d)
				}
			}
		}
		if n != len(faces) {
			t.Fatalf("seed %d: %d faces in groups, expected %d", seed, n, len(faces))
		}
		for range 5 {
			r.Shuffle(len(faces), func(i, j int) { faces[i], faces[j] = faces[j], faces[i] })
			again, err := Group(t.Context(), faces, 1)
			if err != nil || show(again) != show(groups) {
				t.Fatalf("seed %d: in another order:\n%s\n%s", seed, show(groups), show(again))
			}
		}
		renamed := slices.Clone(faces)
		for i := range renamed { // the other way round
			var k int
			if _, err := fmt.Sscanf(renamed[i].Picture, "p%d", &k); err != nil {
				t.Fatal(err)
			}
			renamed[i].Picture = fmt.Sprintf("p%03d", 999-k)
		}
		again, err := Group(t.Context(), renamed, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range again {
			for i := range g {
				var k int
				if _, err := fmt.Sscanf(g[i].Picture, "p%d", &k); err != nil {
					t.Fatal(err)
				}
				g[i].Picture = fmt.Sprintf("p%03d", 999-k)
			}
		}
		if !slices.Equal(set(again), set(groups)) {
			t.Fatalf("seed %d: with other names:\n%v\n%v", seed, set(groups), set(again))
		}
	}
}

func TestGroupEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Group(ctx, randomFaces(rand.New(rand.NewPCG(1, 1)), 10, false), 1); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestGroupLimits(t *testing.T) {
	if _, err := Group(t.Context(), make([]GroupFace, MaxGroupFaces+1), 1); !errors.Is(err, ErrTooManyFaces) || text.Hint(err) == "" {
		t.Errorf("too many: %v", err)
	}
	g := &Grouper{Memory: GroupBytes(10)}
	var err error
	n := 0
	for ; err == nil && n < 100; n++ {
		err = g.Picture(&Result{Name: fmt.Sprint(n), Content: sha256.Sum256(fmt.Append(nil, n)), Faces: make([]Face, 1)})
	}
	if n != 11 || !errors.Is(err, ErrTooManyFaces) || !strings.Contains(text.Hint(err), "--memory") {
		t.Errorf("after %d faces: %v", n, err)
	}
	if got := GroupBytes(MaxGroupFaces); got > 1_900_000_000 {
		t.Errorf("the largest number of faces takes %d bytes", got)
	}
}

func grouperOf(t *testing.T) *Grouper {
	t.Helper()
	g := &Grouper{}
	var s Summary
	face := func(x float32, v Verdict) Face {
		f := Face{Detection: Detection{Box: image.Rect(10, 20, 60, 80)}, Match: Match{Verdict: v}}
		f.Descriptor[0] = x
		return f
	}
	for _, r := range []*Result{
		{Name: "z.jpg", Content: [32]byte{1}, Faces: []Face{face(0, Unknown), face(3, Known), face(9, Unknown)}},
		{Name: "b.jpg", Content: [32]byte{2}, Faces: []Face{face(0.1, Unknown), face(3, Ambiguous)}},
		{Name: "a.jpg", Content: [32]byte{1}, Faces: []Face{face(0, Unknown), face(3, Known), face(9, Unknown)}},
		{Name: "\xff.jpg", Content: [32]byte{3}, Faces: []Face{face(0.2, Unknown)}},
		{Name: "none.jpg", Content: [32]byte{4}},
		{Name: "broken.jpg", Err: errors.New("broken")},
	} {
		s.Add(r)
		if err := g.Picture(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.End(s); err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGroupReports(t *testing.T) {
	groups, err := grouperOf(t).Group(t.Context(), Header{Version: "1.2.3", Rule: Rule{0.6, 0.05}, Persons: []Person{{"Rose", 2}}, Descriptors: true}, 0.65, 2)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := groups.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	want := `group 1: seen 3 times
  a.jpg: face 1  50×60 at 10,20
  b.jpg: face 1  50×60 at 10,20
  "\xff.jpg": face 1  50×60 at 10,20
6 pictures, 9 faces: 3 in 1 group, 1 seen once
left out: 2 faces of known people; 1 ambiguous face; 1 picture that is a copy of another; 1 picture without a face; 1 picture that could not be read
`
	if out.String() != want {
		t.Errorf("expected\n%sgot\n%s", want, out.String())
	}
	out.Reset()
	if err := groups.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Schema         string
		GroupThreshold float64 `json:"group_threshold"`
		Persons        []struct{ Name string }
		Groups         []struct {
			Group, Seen int
			Faces       []struct {
				File       string
				FileBase64 []byte `json:"file_base64"`
				Face       int
				Descriptor []float32
			}
		}
		Smaller []struct {
			File string
			Face int
		}
		Copies int
	}
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "{\n  \"schema\": \""+GroupSchema+"\"") {
		t.Errorf("the schema is not first: %.60s", out.String())
	}
	if len(doc.Groups) != 1 || doc.Groups[0].Seen != 3 || string(doc.Groups[0].Faces[2].FileBase64) != "\xff.jpg" || len(doc.Groups[0].Faces[0].Descriptor) != 128 ||
		len(doc.Smaller) != 1 || doc.Smaller[0].File != "a.jpg" || doc.Smaller[0].Face != 3 || doc.Copies != 1 || doc.GroupThreshold != 0.65 {
		t.Errorf("got %+v", doc)
	}
}

func TestGroupSheet(t *testing.T) {
	var groups Groups
	for i := range groupsPerPage + 1 {
		var faces []GroupFace
		for k := range facesPerGroup + 2 {
			faces = append(faces, pictureOf(fmt.Sprintf("<b>%d-%d.jpg", i, k), []float32{1})...)
		}
		groups.Groups = append(groups.Groups, faces)
		groups.Directories = append(groups.Directories, fmt.Sprintf("people/group-%02d", i+1))
	}
	pages := map[string]*bytes.Buffer{}
	if err := groups.WriteSheet(func(name string) (io.Writer, error) {
		pages[name] = &bytes.Buffer{}
		return pages[name], nil
	}, "all.html", func(*GroupFace) []byte { return []byte("jpeg") }); err != nil {
		t.Fatal(err)
	}
	if len(pages) != 2 {
		t.Fatalf("%d pages, expected 2", len(pages))
	}
	for name, page := range pages {
		s := page.String()
		if !strings.HasSuffix(s, "</html>\n") || strings.Contains(s, "<b>") || !Marked(page.Bytes()) || !strings.Contains(s, "and 2 more") {
			t.Errorf("%s:\n%s", name, s)
		}
	}
	for _, want := range []string{"Group 25: seen 42 times", "people/group-25", `<a href="./all-2.html#p26"><bdi>Group 26</bdi>`, "1092 in 26 groups"} {
		if !strings.Contains(pages["all.html"].String(), want) {
			t.Errorf("no %q on the first page", want)
		}
	}
}

// Groups of 40 in 128 dimensions, some of them near others: made up.
func BenchmarkGroup(b *testing.B) {
	for _, n := range []int{2000, 10_000} {
		r := rand.New(rand.NewPCG(1, 2))
		var people []Descriptor
		for range n / 40 {
			var d Descriptor
			for k := range d {
				d[k] = 0.07 * float32(r.NormFloat64())
			}
			people = append(people, d)
		}
		var faces []GroupFace
		for i := range n {
			f := GroupFace{Picture: fmt.Sprint(i), Content: sha256.Sum256(fmt.Append(nil, i)), Detection: Detection{Descriptor: people[r.IntN(len(people))]}}
			for k := range f.Descriptor {
				f.Descriptor[k] += 0.02 * float32(r.NormFloat64())
			}
			faces = append(faces, f)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if _, err := Group(b.Context(), faces, DefaultGroupThreshold); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
