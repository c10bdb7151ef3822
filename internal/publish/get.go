package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"slices"

	"facerec/internal/retry"
	"facerec/internal/text"
)

// Document returns what a URL names, whole, of at most limit bytes. Requests are
// repeated as those to pages are, and so is one whose answer was cut. The error is
// [fs.ErrNotExist] if the host answers 404 or 410.
func (o Options) Document(ctx context.Context, address string, limit int64) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, addressError("%s: expected a URL, https://…", text.Show(address))
	}
	if u.Scheme == "http" && !o.plainHTTP(u.Host) {
		return nil, addressError("%s: plain HTTP is for loopback only; expected https, or --insecure-registry %s", u.Redacted(), text.Show(u.Host))
	}
	c := o.client(u)
	for tries := new(retry.Tries); ; {
		raw, err := document(ctx, c, u, limit)
		if err == nil || !o.Retry.IsCut(u.Host, err) {
			return raw, err
		}
		if more, stop := o.Retry.Again(ctx, tries, u.Host, err.Error(), 0); stop != nil {
			return nil, stop
		} else if !more {
			return nil, err
		}
	}
}

func document(ctx context.Context, c *http.Client, u *url.URL, limit int64) ([]byte, error) {
	resp, err := get(ctx, c, u.String(), nil, http.StatusOK)
	if err != nil {
		if s := statusOf(err); s == http.StatusNotFound || s == http.StatusGone {
			return nil, fmt.Errorf("%s: %w", u.Redacted(), fs.ErrNotExist)
		}
		var wrong *url.Error // has the whole address in it, a password too
		if errors.As(err, &wrong) {
			err = wrong.Err
		}
		var status *StatusError
		if errors.As(err, &status) {
			return nil, &StatusError{URL: u.Redacted(), Status: status.Status}
		}
		return nil, fmt.Errorf("%s: %w", u.Redacted(), err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: cut after %s: %w", u.Redacted(), text.Count(len(raw), "byte"), err)
	}
	if int64(len(raw)) > limit {
		return nil, fmt.Errorf("%s: expected at most %d bytes", u.Redacted(), limit)
	}
	return slices.Clip(raw), nil
}
