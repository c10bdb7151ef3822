package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"math"
	"slices"
	"strings"

	"facerec/internal/text"
)

// DefaultGroupThreshold is the distance below which any two faces of a group
// are. docs/facerec.md has the figures that it was chosen by.
const DefaultGroupThreshold = 0.6

// MaxGroupFaces is the largest number of faces that Group takes: they take
// GroupBytes, 1.8 GB, and about a minute.
const MaxGroupFaces = 30_000

// GroupBytes is the memory that it takes to group n faces: four bytes for each
// pair, and what is kept of each face.
func GroupBytes(n int) int64 {
	const each = 2 << 10 // descriptor, box, landmarks, name
	return 4*int64(n)*int64(n-1)/2 + each*int64(n)
}

// GroupFace is one face of a library.
type GroupFace struct {
	// Picture is the name of the file, and Index the number of the face in it,
	// from 0, in reading order.
	Picture string
	Index   int
	// Content is the hash of the file. Faces of one content are two people's.
	Content [sha256.Size]byte
	Detection
}

// byContent orders faces by what they are. Names and the order of the input
// do not matter.
func byContent(a, b *GroupFace) int {
	if c := bytes.Compare(a.Content[:], b.Content[:]); c != 0 {
		return c
	}
	return a.Index - b.Index
}

// byPicture orders faces as people read them.
func byPicture(a, b *GroupFace) int {
	if c := strings.Compare(a.Picture, b.Picture); c != 0 {
		return c
	}
	return a.Index - b.Index
}

// Group joins faces that are one person's, by complete linkage: the two nearest
// groups are joined again and again, where the distance of two groups is that
// of the two faces, one of each, that are furthest apart; and that goes on
// until no two groups are nearer than the threshold. So any two faces of a
// group are nearer than the threshold, and two faces of one picture are never
// in one group.
//
// It is the nearest-neighbour chain algorithm (Müllner, Modern hierarchical,
// agglomerative clustering algorithms, arXiv:1109.2378, section 3.2), which
// needs time in proportion to the square of the number of faces. A group whose
// nearest other group is not below the threshold is final: joining others never
// brings any of them nearer. Of equal distances the faces that come first by the
// hash of their files count, so the result depends on the faces alone.
//
// Groups are ordered by size, the largest first, then by content; the faces of
// a group by the names of their pictures. Each face is in one group.
func Group(ctx context.Context, faces []GroupFace, threshold float64) ([][]GroupFace, error) {
	if len(faces) > MaxGroupFaces {
		return nil, tooManyFaces(MaxGroupFaces)
	}
	order := make([]*GroupFace, len(faces))
	for i := range faces {
		order[i] = &faces[i]
	}
	slices.SortFunc(order, byContent)
	d, err := distances(ctx, order)
	if err != nil {
		return nil, err
	}
	d.part(threshold)
	first, err := chain(ctx, d)
	if err != nil {
		return nil, err
	}
	var groups [][]GroupFace
	at := make([]int, len(order))
	for i, f := range order {
		if first[i] == i {
			at[i] = len(groups)
			groups = append(groups, nil)
		}
		n := at[first[i]]
		groups[n] = append(groups[n], *f)
	}
	slices.SortStableFunc(groups, func(a, b []GroupFace) int { return len(b) - len(a) })
	for _, g := range groups {
		slices.SortFunc(g, func(a, b GroupFace) int { return byPicture(&a, &b) })
	}
	return groups, nil
}

// pairs is half of a symmetric matrix, without its diagonal.
type pairs struct {
	n   int
	far []float32
}

// at is the place of a pair.
func (p *pairs) at(i, j int) *float32 {
	if i > j {
		i, j = j, i
	}
	return &p.far[i*(2*p.n-i-1)/2+j-i-1]
}

// apart is the distance of groups that are never joined.
var apart = float32(math.Inf(1))

// distances measures every face against every other. Distances are rounded up, so
// that what is below a threshold here is below it.
func distances(ctx context.Context, faces []*GroupFace) (*pairs, error) {
	n := len(faces)
	p := &pairs{n: n, far: make([]float32, 0, n*max(0, n-1)/2)}
	for i, a := range faces {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for _, b := range faces[i+1:] {
			d := apart
			if a.Content != b.Content {
				exact := Distance(&a.Descriptor, &b.Descriptor)
				if d = float32(exact); float64(d) < exact {
					d = math.Nextafter32(d, apart)
				}
			}
			p.far = append(p.far, d)
		}
	}
	return p, nil
}

// part sets apart what is not below the threshold: that keeps every group that
// has both from being made.
func (p *pairs) part(threshold float64) {
	for i, d := range p.far {
		if float64(d) >= threshold {
			p.far[i] = apart
		}
	}
}

// only is the matrix of some of the faces, in their order.
func (p *pairs) only(faces []int) *pairs {
	out := &pairs{n: len(faces), far: make([]float32, 0, len(faces)*max(0, len(faces)-1)/2)}
	for i, a := range faces {
		for _, b := range faces[i+1:] {
			out.far = append(out.far, *p.at(a, b))
		}
	}
	return out
}

// chain joins what is nearest, and returns for each face the first face of its
// group. It uses up the distances.
//
// The chain begins with any group, and each next link is the group that is
// nearest to the one before. Two groups that are each other's nearest are joined;
// what comes before them in the chain stays right, since the group that they
// become is no nearer to anything than they were.
func chain(ctx context.Context, d *pairs) ([]int, error) {
	first := make([]int, d.n)
	for i := range first {
		first[i] = i
	}
	open := slices.Clone(first) // groups that are not final, by their first faces
	var links []int
	for len(open) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(links) == 0 {
			links = append(links, open[0])
		}
		last := links[len(links)-1]
		before := -1
		nearest, least := -1, apart
		if len(links) > 1 { // of equals it counts, or the chain would not end
			before = links[len(links)-2]
			nearest, least = before, *d.at(last, before)
		}
		for _, other := range open {
			if other == last {
				continue
			}
			if far := *d.at(last, other); far < least {
				nearest, least = other, far
			}
		}
		switch nearest {
		case -1:
			open = without(open, last)
			links = links[:0]
		case before:
			links = links[:len(links)-2]
			into, gone := min(last, before), max(last, before)
			open = without(open, gone)
			for _, other := range open {
				if other != into {
					into := d.at(into, other)
					*into = max(*into, *d.at(gone, other))
				}
			}
			first[gone] = into
		default:
			links = append(links, nearest)
		}
	}
	for i := range first { // a group's first face is before all others
		first[i] = first[first[i]]
	}
	return first, nil
}

// without removes n from a sorted list.
func without(list []int, n int) []int {
	i, _ := slices.BinarySearch(list, n)
	return slices.Delete(list, i, i+1)
}

// ErrTooManyFaces is wrapped by the error for more faces than can be grouped.
var ErrTooManyFaces = errors.New("too many faces to group")

func tooManyFaces(limit int) error {
	return text.WithHint(fmt.Errorf("%w: expected at most %d", ErrTooManyFaces, limit),
		"group a part of the pictures at a time, with --since, --exclude or the names of directories, and move the people whom you know into persons/: they are left out then")
}

// Grouper collects the unknown faces of a batch. It is a Reporter that writes
// nothing.
type Grouper struct {
	// Memory is how many bytes may be used; 0 means any number.
	Memory int64

	faces   []GroupFace
	names   map[[sha256.Size]byte]string // of the pictures
	copies  int
	summary Summary
}

// Picture takes in what was seen in a picture. It fails if the faces become too
// many. A picture of the same bytes as another is left out; the name that sorts
// first counts.
func (g *Grouper) Picture(r *Result) error {
	if r.Err != nil {
		return nil //nolint:nilerr // reported by whoever counts pictures
	}
	if g.names == nil {
		g.names = map[[sha256.Size]byte]string{}
	}
	if name, again := g.names[r.Content]; again {
		g.copies++
		if r.Name < name {
			g.names[r.Content] = r.Name
		}
		return nil
	}
	g.names[r.Content] = r.Name
	for i, f := range r.Faces {
		if f.Match.Verdict != Unknown {
			continue
		}
		g.faces = append(g.faces, GroupFace{Index: i, Content: r.Content, Detection: f.Detection})
	}
	if len(g.faces) > MaxGroupFaces {
		return tooManyFaces(MaxGroupFaces)
	}
	if need := GroupBytes(len(g.faces)); g.Memory > 0 && need > g.Memory {
		limit := len(g.faces) - 1
		return text.WithHint(fmt.Errorf("%w: %d of them take %s of memory, expected at most %s", ErrTooManyFaces, limit+1, byteCount(need), byteCount(g.Memory)),
			"raise --memory, or group a part of the pictures at a time, with --since, --exclude or the names of directories")
	}
	return nil
}

// End keeps the counts.
func (g *Grouper) End(s Summary) error {
	g.summary = s
	return nil
}

// Groups is the answer of the verb group.
type Groups struct {
	// Header is the run's; Threshold is the one of Group.
	Header    Header
	Threshold float64
	// Groups have at least MinFaces faces each, the largest first.
	Groups   [][]GroupFace
	MinFaces int
	// Smaller are the faces of groups that are smaller than that.
	Smaller []GroupFace
	// Copies counts pictures of the same bytes as another.
	Copies  int
	Summary Summary
	// Directories names what each group was written into; nil if nothing was.
	Directories []string
}

// Group makes the groups of what was collected.
func (g *Grouper) Group(ctx context.Context, h Header, threshold float64, minFaces int) (*Groups, error) {
	for i := range g.faces {
		g.faces[i].Picture = g.names[g.faces[i].Content]
	}
	all, err := Group(ctx, g.faces, threshold)
	if err != nil {
		return nil, err
	}
	out := &Groups{Header: h, Threshold: threshold, MinFaces: minFaces, Copies: g.copies, Summary: g.summary}
	for _, faces := range all {
		if len(faces) >= minFaces {
			out.Groups = append(out.Groups, faces)
		} else {
			out.Smaller = append(out.Smaller, faces...)
		}
	}
	slices.SortFunc(out.Smaller, func(a, b GroupFace) int { return byPicture(&a, &b) })
	return out, nil
}

// margins are tried for a portrait, in parts of the sides of the face's box:
// dlib's detector wants more around a face than its box.
var margins = []float64{0.5, 0.75, 1, 0.35, 0.25, 0.15}

// Portrait cuts face i out of a picture, as a file called name, so that it can
// be enrolled: of several margins it takes the first with which the engine finds
// this face in the file, and no other. If there is none, alone is false, and the
// portrait has the first margin.
func (r *Recognizer) Portrait(ctx context.Context, res *Result, i int, name string) (data []byte, alone bool, err error) {
	box := res.Drawn()[i].Box
	for _, m := range margins {
		cut := cropBy(res.Image, box, m)
		if cut.Rect.Empty() {
			break
		}
		var b bytes.Buffer
		if err := Encode(&b, name, cut); err != nil {
			return nil, false, err
		}
		if data == nil {
			data = b.Bytes()
		}
		s, err := r.looker().look(ctx, b.Bytes(), sha256.Sum256(b.Bytes()), false, nil)
		if err != nil {
			return nil, false, err
		}
		if len(s.found) == 1 && Distance(&s.found[0].Descriptor, &res.Faces[i].Descriptor) < DefaultThreshold {
			return b.Bytes(), true, nil
		}
	}
	return data, false, nil
}

// Reopen decodes a picture once more, in which faces were found before. What is
// wrong with it goes into the result's Err, as with Recognize.
func (r *Recognizer) Reopen(ctx context.Context, name string, data []byte, faces []Detection, reserve Reserve) (Result, error) {
	res := Result{Name: name, Content: sha256.Sum256(data)}
	p, bad, err := r.looker().decode(ctx, data, reserve)
	if err != nil || bad != nil {
		res.Err = bad
		return res, err
	}
	res.Size, res.Image = p.Size, p.Image
	for _, d := range faces {
		res.Faces = append(res.Faces, Face{Detection: d})
	}
	return res, nil
}

// cropBy cuts a face out of img, with a margin in parts of its sides.
func cropBy(img image.Image, box image.Rectangle, margin float64) *image.RGBA {
	m := image.Pt(int(float64(box.Dx())*margin), int(float64(box.Dy())*margin))
	return cut(img, image.Rectangle{Min: box.Min.Sub(m), Max: box.Max.Add(m)})
}
