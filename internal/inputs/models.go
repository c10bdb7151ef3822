package inputs

import (
	"archive/tar"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"facerec/internal/models"
	"facerec/internal/text"
)

// ModelOrigin says where missing models come from.
type ModelOrigin struct {
	Pin     *Pin   // Debian's source package, through apt; or
	BaseURL string // a directory of NAME.bz2 files, over HTTP
}

// Models puts the locked models into dir. One that is there already is hashed
// and left alone; a damaged one is replaced. Every file is checked before it
// gets its name.
func (s *Store) Models(ctx context.Context, lock models.Lock, dir string, from ModelOrigin) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var missing []models.Model
	for _, f := range models.Verify(os.DirFS(dir), lock).Files {
		target := filepath.Join(dir, f.Model.Name)
		if f.State == models.OK {
			s.say("models: %s is already there, hash checked", target)
			continue
		}
		if f.State != models.Missing {
			s.say("models: %v; fetching it again", f.Err())
		}
		if cached, ok := s.cached(f.Model.SHA256); ok {
			if err := copyTo(target, cached); err != nil {
				return err
			}
			s.say("models: %s taken from the cache, hash checked", target)
			continue
		}
		missing = append(missing, f.Model)
	}
	if len(missing) == 0 {
		return nil
	}
	var err error
	switch {
	case s.Offline != "":
		err = s.modelsOffline(ctx, missing, from)
	case from.Pin != nil:
		err = s.modelsDebian(ctx, missing, *from.Pin)
	default:
		err = s.modelsHTTP(ctx, missing, from.BaseURL)
	}
	if err != nil {
		return err
	}
	for _, m := range missing {
		target := filepath.Join(dir, m.Name)
		if err := copyTo(target, s.path(m.SHA256)); err != nil {
			return err
		}
		s.say("models: wrote %s (%d bytes, hash checked)", target, m.Size)
	}
	return nil
}

func todoModel(origin string) string {
	return "nothing was written; " + origin + " does not serve davisking's original: try the other origin (--from debian or --from dlib.net)"
}

// modelsDebian takes the models out of the tarball of Debian's source package.
// The tarball, ten times their size, is not kept.
func (s *Store) modelsDebian(ctx context.Context, missing []models.Model, pin Pin) error {
	if tarball, ok := s.cached(pin.SHA256); ok {
		return s.modelsTarball(ctx, missing, tarball)
	}
	s.say("models: Debian's source package %s %s carries them (%d MB to download)", pin.Name, pin.Version, pin.Size>>20)
	pin.Arch = ""
	return s.fetched(ctx, pin, func(dir string) error {
		tarball := filepath.Join(dir, pin.File)
		sum, size, err := hashFile(tarball)
		if err != nil {
			return err
		}
		if sum != pin.SHA256 {
			return &WrongHash{File: pin.File, Expected: pin.SHA256, Got: sum, WantedSize: pin.Size, Size: size, Todo: todoModel("the archive")}
		}
		return s.modelsTarball(ctx, missing, tarball)
	})
}

// modelsTarball reads the .tar.bz2 once and stops when all are found.
func (s *Store) modelsTarball(ctx context.Context, missing []models.Model, tarball string) error {
	f, err := os.Open(tarball)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	want := map[string]models.Model{}
	for _, m := range missing {
		want[m.Name] = m
	}
	s.say("models: unpacking %d of them (about 15 s)", len(want))
	tr := tar.NewReader(bzip2.NewReader(&ctxReader{ctx, f}))
	for len(want) > 0 {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(tarball), err)
		}
		m, ok := want[path.Base(h.Name)]
		if !ok || h.Typeflag != tar.TypeReg {
			continue
		}
		if _, err := s.take(tr, h.Name+" in "+filepath.Base(tarball), m.SHA256, m.Size, todoModel("the tarball")); err != nil {
			return err
		}
		delete(want, m.Name)
		s.say("models: %s unpacked, hash checked", m.Name)
	}
	for _, m := range missing {
		if _, still := want[m.Name]; still {
			return fmt.Errorf("%s is not in %s: expected a regular file of that name", m.Name, filepath.Base(tarball))
		}
	}
	return nil
}

// modelsHTTP fetches BASE/NAME.bz2 for each.
func (s *Store) modelsHTTP(ctx context.Context, missing []models.Model, base string) error {
	client := &http.Client{Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		ResponseHeaderTimeout: 30 * time.Second,
		TLSHandshakeTimeout:   30 * time.Second,
	}}
	defer client.CloseIdleConnections()
	for _, m := range missing {
		url := strings.TrimSuffix(base, "/") + "/" + m.Name + ".bz2"
		s.say("models: fetching %s", url)
		if err := s.modelHTTP(ctx, client, url, m); err != nil {
			return err
		}
		s.say("models: %s fetched, hash checked", m.Name)
	}
	return nil
}

func (s *Store) modelHTTP(ctx context.Context, client *http.Client, url string, m models.Model) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("models: %w (try --from debian)", err)
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("models: %s answered %s, expected 200 OK (try --from debian)", url, text.Line(resp.Status, 100))
	}
	_, err = s.take(unbzip(resp.Body, m), url, m.SHA256, m.Size, todoModel("the server"))
	return err
}

// unbzip inflates, and stops one byte after the model's size: a bomb ends as a
// wrong hash.
func unbzip(r io.Reader, m models.Model) io.Reader {
	return io.LimitReader(bzip2.NewReader(r), m.Size+1)
}

// modelsOffline looks in the offline directory for NAME, NAME.bz2 or the tarball.
func (s *Store) modelsOffline(ctx context.Context, missing []models.Model, from ModelOrigin) error {
	const todo = "fill the directory again with `go run ./tools/inputs vendor DIR`"
	var rest []models.Model
	for _, m := range missing {
		plain := filepath.Join(s.Offline, m.Name)
		_, err := s.takeFile(plain, plain, m.SHA256, m.Size, todo)
		if errors.Is(err, os.ErrNotExist) {
			var f *os.File
			if f, err = os.Open(plain + ".bz2"); err == nil {
				_, err = s.take(unbzip(f, m), plain+".bz2", m.SHA256, m.Size, todo)
				_ = f.Close()
			}
		}
		if errors.Is(err, os.ErrNotExist) {
			rest = append(rest, m)
			continue
		}
		if err != nil {
			return err
		}
	}
	if len(rest) == 0 {
		return nil
	}
	if from.Pin != nil {
		tarball := filepath.Join(s.Offline, from.Pin.File)
		if _, err := os.Stat(tarball); err == nil {
			return s.modelsTarball(ctx, rest, tarball)
		}
	}
	return fmt.Errorf("%s is missing in the offline directory %s (nor is there a .bz2 of it, or Debian's tarball): fill the directory with `go run ./tools/inputs vendor DIR` where there is a network", rest[0].Name, s.Offline)
}

// ctxReader ends reading when ctx is done.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
