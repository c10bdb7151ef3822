package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"facerec/internal/app/picture"
	"facerec/internal/atomicfile"
	"facerec/internal/text"
)

// Enroller reads persons/ and makes a Gallery of it.
type Enroller struct {
	Engine  Engine
	Decoder picture.Decoder
	Sizing  Sizing
	// TakeLargest enrols the largest of several faces in a photo if its sides
	// are at least 1.5 times those of every other; else such a photo is skipped.
	TakeLargest bool
	// Threshold is the distance by which outliers and suspects are judged; 0
	// means DefaultThreshold.
	Threshold float64
	// Jobs is how many photos are worked on at once; less than 1 means 1.
	Jobs int
	// Cache and Salt are as in Recognizer.
	Cache Cache
	Salt  string
	// Progress, if not nil, is called after each photo, from one goroutine.
	Progress func(done, total int)
}

// Outcome is what became of one file in persons/.
type Outcome int

const (
	// Used: one face, enrolled.
	Used Outcome = iota
	// UsedLargest: several faces, the largest enrolled.
	UsedLargest
	// NoFace: skipped, nobody found.
	NoFace
	// SeveralFaces: skipped, it is not clear who is meant.
	SeveralFaces
	// Broken: skipped, could not be read as a picture.
	Broken
	// NotAPicture: skipped, a file of another kind.
	NotAPicture
	// Stray: skipped, it lies where no photo belongs.
	Stray
	// Duplicate: skipped, the same bytes as another photo of this person.
	Duplicate
	// Unsupported: skipped, a kind of picture that is not read.
	Unsupported
)

var outcomeNames = [...]string{"used", "used-largest", "no-face", "several-faces", "broken", "not-a-picture", "stray", "duplicate", "unsupported"}

// String returns the word that reports use, such as "no-face".
func (o Outcome) String() string {
	if o < 0 || int(o) >= len(outcomeNames) {
		return fmt.Sprintf("Outcome(%d)", int(o))
	}
	return outcomeNames[o]
}

// Used reports whether the photo's face is enrolled.
func (o Outcome) Used() bool { return o == Used || o == UsedLargest }

// Photo is one line of the enrolment report.
type Photo struct {
	Path    string // below persons/, with slashes
	Person  string // empty for a stray
	Outcome Outcome
	Faces   []Detection // everything found, in reading order
	Taken   int         // index in Faces of the one enrolled, or -1
	Reason  string      // why it was not used, or what is odd; one line
	Hint    string      // what to do about it; empty if there is nothing to do
	Notes   []string    // what is odd about the file although it was read
	Cached  bool        // the answer came from the cache
}

// Doubt is something odd about a photo that was enrolled all the same.
type Doubt struct {
	Path string
	Kind string // "outlier", "suspect" or "duplicate"
	Text string // one line
}

// Enrolment is the gallery and the report of how it came to be.
type Enrolment struct {
	Gallery *Gallery
	Photos  []Photo // by path
	Doubts  []Doubt // by path, then kind
	// Notes say what else is odd, one line each.
	Notes []string
	// Without lists people none of whose photos could be used, by name.
	Without []string
}

// Warnings lists all that was skipped, with hints. Each is one line and begins
// with the path below persons/.
func (e *Enrolment) Warnings() []error {
	var out []error
	for _, p := range e.Photos {
		if p.Outcome != Used {
			out = append(out, text.WithHint(fmt.Errorf("%s: %s", text.Show(p.Path), p.Reason), "%s", p.Hint))
		}
	}
	for _, name := range e.Without {
		out = append(out, text.WithHint(fmt.Errorf("%s: none of the photos could be used, so this person will not be recognised", text.Show(name)), usablePhoto))
	}
	return out
}

// usablePhoto is the hint for whoever has no usable photo.
const usablePhoto = "add a photo that shows one face, from the front"

const notUTF8 = "skipped: its name is not UTF-8"

// ignored reports whether a name in persons/ is nobody's business: hidden
// files, and what systems leave behind.
func ignored(name string) bool {
	if strings.HasPrefix(name, ".") {
		return true
	}
	switch strings.ToLower(name) {
	case "thumbs.db", "desktop.ini", "__macosx", "lost+found":
		return true
	}
	return false
}

// ignoredOnTop reports whether a file at the top of persons/ may lie there.
func ignoredOnTop(name string) bool {
	low := strings.ToLower(name)
	for _, p := range []string{"readme", "license", "licence", "copying", "copyright"} {
		if strings.HasPrefix(low, p) {
			return true
		}
	}
	return path.Ext(low) == ".json"
}

// ErrNobody is wrapped by Enroll's error when persons/ holds nobody.
var ErrNobody = errors.New("nobody is enrolled")

// Enroll reads every photo below fsys: NAME/photo. A photo that cannot be used
// is reported, not an error; an error means that fsys itself could not be read,
// that the engine failed, that ctx is done, or (ErrNobody) that there is nobody
// to recognise. With ErrNobody the report is returned too.
func (en Enroller) Enroll(ctx context.Context, fsys fs.FS) (*Enrolment, error) {
	res := &Enrolment{}
	people, err := en.list(fsys, res)
	if err != nil {
		return nil, err
	}
	if len(people) == 0 {
		res.Gallery = NewGallery(nil)
		return res, text.WithHint(fmt.Errorf("%w: no directory of a person found", ErrNobody), "make a directory NAME with one or more photos for each person")
	}
	todo := res.Photos
	done := 0
	progress := func() {
		done++
		if en.Progress != nil {
			en.Progress(done, len(todo))
		}
	}
	sums := make([][sha256.Size]byte, len(todo))
	err = Ordered(ctx, en.Jobs, len(todo), en.Sizing.Memory, func(ctx context.Context, i int, reserve Reserve) error {
		if todo[i].Person == "" || todo[i].Outcome == Stray {
			return nil
		}
		return en.photo(ctx, fsys, &todo[i], &sums[i], reserve)
	}, func(int) error { progress(); return nil })
	if err != nil {
		return nil, err
	}
	markDuplicates(res.Photos, sums)
	res.finish(people, en.Threshold)
	if len(res.Gallery.persons) == 0 {
		return res, text.WithHint(fmt.Errorf("%w: none of %s could be used", ErrNobody, text.Count(len(res.Photos), "photo")), usablePhoto)
	}
	return res, nil
}

// list finds people and their files, sorted; strays are reported at once.
func (en Enroller) list(fsys fs.FS, res *Enrolment) (people []string, err error) {
	top, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, err
	}
	spelt := map[string]string{} // first directory, by name in NFC
	for _, d := range top {
		name := d.Name()
		if ignored(name) {
			continue
		}
		if !utf8.ValidString(name) { // io/fs opens no such names
			res.Photos = append(res.Photos, Photo{Path: name, Outcome: Stray, Taken: -1, Reason: notUTF8, Hint: "rename it"})
			continue
		}
		info, err := fs.Stat(fsys, name) // a link counts as what it leads to
		if err != nil {
			res.Photos = append(res.Photos, Photo{Path: name, Outcome: Stray, Taken: -1, Reason: "skipped: " + reason(err)})
			continue
		}
		if !info.IsDir() {
			if !ignoredOnTop(name) {
				res.Photos = append(res.Photos, Photo{Path: name, Outcome: Stray, Taken: -1, Reason: "skipped: it is next to the directories of people", Hint: "move it into the directory of the person it shows"})
			}
			continue
		}
		files, err := fs.ReadDir(fsys, name)
		if err != nil {
			res.Photos = append(res.Photos, Photo{Path: name, Outcome: Stray, Taken: -1, Reason: "skipped: " + reason(err)})
			continue
		}
		// Systems spell one name in different Unicode forms: macOS decomposes
		// letters with accents, others do not.
		person := norm.NFC.String(name)
		if first, ok := spelt[person]; ok {
			res.Notes = append(res.Notes, fmt.Sprintf("the directories %s and %s are one name in two Unicode forms and are enrolled as one person", text.ShowASCII(first), text.ShowASCII(name)))
		} else {
			spelt[person] = name
			people = append(people, person)
		}
		for _, f := range files {
			if ignored(f.Name()) {
				continue
			}
			p := Photo{Path: path.Join(name, f.Name()), Person: person, Taken: -1}
			fi, err := fs.Stat(fsys, p.Path)
			switch {
			case !utf8.ValidString(p.Path):
				p.Outcome, p.Reason, p.Hint = Stray, notUTF8, "rename it"
			case err != nil:
				p.Outcome, p.Reason = Stray, "skipped: "+reason(err)
			case fi.IsDir():
				p.Outcome, p.Reason, p.Hint = Stray, "skipped: a directory inside a person's directory", "move its photos up"
			case !fi.Mode().IsRegular():
				p.Outcome, p.Reason = Stray, "skipped: "+atomicfile.Kind(fi.Mode())+", expected a picture"
			}
			res.Photos = append(res.Photos, p)
		}
	}
	sort.SliceStable(res.Photos, func(i, j int) bool { return res.Photos[i].Path < res.Photos[j].Path })
	sort.Strings(people)
	return people, nil
}

// photo works on one photo and fills in p. Its error is the engine's or the
// context's; everything about the photo itself goes into p.
func (en Enroller) photo(ctx context.Context, fsys fs.FS, p *Photo, sum *[sha256.Size]byte, reserve Reserve) error {
	data, err := readPicture(fsys, p.Path)
	if err != nil {
		p.fail(err)
		return nil
	}
	*sum = sha256.Sum256(data)
	l := looker{en.Engine, en.Decoder, en.Sizing, en.Cache, en.Salt}
	s, err := l.look(ctx, data, *sum, false, reserve)
	if err != nil {
		return err
	}
	if s.err != nil {
		p.fail(s.err)
		return nil //nolint:nilerr // it is about the photo, and reported there
	}
	p.Faces, p.Notes, p.Cached = s.found, s.notes, s.cached
	p.decide(en.TakeLargest)
	return nil
}

// fail says why a file cannot be used.
func (p *Photo) fail(err error) {
	var unsupported *picture.UnsupportedError
	p.Outcome = Broken
	switch {
	case errors.Is(err, picture.ErrNotPicture):
		p.Outcome = NotAPicture
	case errors.As(err, &unsupported):
		p.Outcome = Unsupported
	}
	p.Reason, p.Hint = "skipped: "+reason(err), text.Hint(err)
}

// decide chooses the face that stands for the person.
func (p *Photo) decide(takeLargest bool) {
	switch n := len(p.Faces); n {
	case 0:
		p.Outcome, p.Reason, p.Hint = NoFace, "skipped: no face found", "use a photo from the front with a face at least 80 pixels high, or try --upsample 1"
	case 1:
		p.Outcome, p.Taken = Used, 0
	default:
		i, clear := largest(p.Faces)
		switch {
		case takeLargest && clear:
			p.Outcome, p.Taken = UsedLargest, i
			p.Reason = fmt.Sprintf("%d faces, took the largest (%s)", n, boxText(p.Faces[i]))
		case clear:
			p.Outcome = SeveralFaces
			p.Reason, p.Hint = fmt.Sprintf("skipped: %d faces, expected 1", n), fmt.Sprintf("crop it, or use the largest face (%s) with --take-largest", boxText(p.Faces[i]))
		default:
			p.Outcome = SeveralFaces
			p.Reason, p.Hint = fmt.Sprintf("skipped: %d faces, expected 1", n), "crop it to the person it is for"
		}
	}
}

func boxText(d Detection) string {
	b := d.Box
	return fmt.Sprintf("%d×%d at %d,%d", b.Dx(), b.Dy(), b.Min.X, b.Min.Y)
}

// faceText is boxText with the score, if there is one.
func faceText(d Detection) string {
	if d.Score == 0 {
		return boxText(d)
	}
	return fmt.Sprintf("%s, score %.2f", boxText(d), d.Score)
}

// largest finds the largest box, and whether its sides are at least 1.5 times
// those of every other.
func largest(ds []Detection) (best int, clear bool) {
	area := func(i int) int { return ds[i].Box.Dx() * ds[i].Box.Dy() }
	for i := range ds {
		if area(i) > area(best) {
			best = i
		}
	}
	for i := range ds {
		if i != best && 9*area(i) > 4*area(best) {
			return best, false
		}
	}
	return best, true
}

// markDuplicates skips photos of a person whose bytes came before, by path.
func markDuplicates(photos []Photo, sums [][sha256.Size]byte) {
	type one struct {
		person string
		sum    [sha256.Size]byte
	}
	first := map[one]string{}
	for i := range photos {
		if !photos[i].Outcome.Used() {
			continue
		}
		k := one{photos[i].Person, sums[i]}
		if at, ok := first[k]; ok {
			photos[i].Outcome, photos[i].Taken = Duplicate, -1
			photos[i].Reason = "skipped: the same bytes as " + text.Show(at)
			continue
		}
		first[k] = photos[i].Path
	}
}

// finish makes the gallery and looks for what is odd.
func (e *Enrolment) finish(people []string, threshold float64) {
	if threshold <= 0 {
		threshold = DefaultThreshold
	}
	var samples []Sample
	has := map[string]bool{}
	for _, p := range e.Photos {
		if p.Outcome.Used() {
			samples = append(samples, Sample{Person: p.Person, Photo: p.Path, Descriptor: p.Faces[p.Taken].Descriptor})
			has[p.Person] = true
		}
	}
	e.Gallery = NewGallery(samples)
	for _, name := range people {
		if !has[name] {
			e.Without = append(e.Without, name)
		}
	}
	e.Doubts = doubts(e.Gallery.samples, threshold)
}

// sameFace is the distance below which two photos show the same picture:
// the same shot stored again at another size or quality.
const sameFace = 0.1

// doubts compares every photo with every other.
func doubts(samples []Sample, threshold float64) []Doubt {
	var out []Doubt
	for i := range samples {
		s := &samples[i]
		own, other, twin := -1, -1, -1
		var ownDist, otherDist float64
		for j := range samples {
			if i == j {
				continue
			}
			t := &samples[j]
			d := Distance(&s.Descriptor, &t.Descriptor)
			if t.Person == s.Person {
				if own < 0 || d < ownDist {
					own, ownDist = j, d
				}
			} else if other < 0 || d < otherDist {
				other, otherDist = j, d
			}
			if j < i && twin < 0 && d < sameFace {
				twin = j
			}
		}
		if twin >= 0 {
			note := fmt.Sprintf("looks like the same shot as %s (distance %.3f)", text.Show(samples[twin].Photo), Distance(&s.Descriptor, &samples[twin].Descriptor))
			if samples[twin].Person != s.Person {
				note += ", which is enrolled as somebody else"
			}
			out = append(out, Doubt{s.Photo, "duplicate", note})
		}
		if own >= 0 && ownDist >= threshold {
			out = append(out, Doubt{s.Photo, "outlier", fmt.Sprintf("unlike every other photo of %s: the nearest, %s, is %.3f away, the threshold is %.3f", text.Show(s.Person), text.Show(samples[own].Photo), ownDist, threshold)})
		}
		if other >= 0 && otherDist < threshold && (own < 0 || ownDist >= threshold) {
			out = append(out, Doubt{s.Photo, "suspect", fmt.Sprintf("like %s (%.3f away) and unlike every other photo of %s: perhaps it shows %s", text.Show(samples[other].Photo), otherDist, text.Show(s.Person), text.Show(samples[other].Person))})
		}
	}
	sort.SliceStable(out, func(i, j int) bool {
		if out[i].Path != out[j].Path {
			return out[i].Path < out[j].Path
		}
		return out[i].Kind < out[j].Kind
	})
	return out
}

// reason is an I/O error without the path, which the line begins with already.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// readPicture reads a file as picture.Read does.
func readPicture(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	return picture.Read(f)
}
