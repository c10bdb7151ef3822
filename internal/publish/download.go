package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"facerec/internal/release"
	"facerec/internal/retry"
	"facerec/internal/text"
)

// copyAsset downloads an asset of at most limit bytes into w and goes on where a
// connection was cut. Other or more bytes than expected are for the caller to
// find by their digest; more than limit are an error.
func copyAsset(ctx context.Context, page Reader, a Asset, w io.Writer, limit int64, policy *retry.Policy) error {
	return copyFrom(ctx, page, a, w, 0, limit, policy)
}

// copyFrom is copyAsset for when done bytes are there already.
func copyFrom(ctx context.Context, page Reader, a Asset, w io.Writer, done, limit int64, policy *retry.Policy) error {
	for tries := new(retry.Tries); ; {
		n, err := copyOnce(ctx, page, a, w, done, limit)
		done += n
		if err == nil {
			return nil
		}
		if n > 0 {
			tries.Failures.Store(0)
			policy.Delivered(page.String())
		}
		var write *writeError
		var refusal *Refusal
		switch {
		case errors.As(err, &write):
			return write.error
		case errors.As(err, &refusal):
			return err
		}
		if statusOf(err) == http.StatusNotFound {
			return fmt.Errorf("%s: asset %s not found: %w", page, text.Show(a.Name), err)
		}
		more := false
		if policy.IsCut(page.String(), err) {
			var stop error
			if more, stop = policy.Again(ctx, tries, page.String(), text.Show(a.Name)+": "+err.Error(), 0); stop != nil {
				return stop
			}
		}
		if !more {
			return fmt.Errorf("%s: asset %s: %w", page, text.Show(a.Name), err)
		}
	}
}

// writeError is an error of the destination.
type writeError struct{ error }

type sink struct{ io.Writer }

func (s sink) Write(p []byte) (int, error) {
	n, err := s.Writer.Write(p)
	if err != nil {
		err = &writeError{err}
	}
	return n, err
}

func copyOnce(ctx context.Context, page Reader, a Asset, w io.Writer, done, limit int64) (int64, error) {
	body, at, err := page.Read(ctx, a, done)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	if _, err := io.CopyN(io.Discard, body, done-at); err != nil { // the page starts at 0
		return 0, err
	}
	n, err := io.Copy(sink{w}, io.LimitReader(body, limit-done))
	if err != nil {
		return n, err
	}
	if extra, _ := io.CopyN(io.Discard, body, 1); extra > 0 {
		return n, &Refusal{Subject: text.Show(a.Name), Reason: fmt.Sprintf("the page serves more than %d bytes", limit)}
	}
	return n, nil
}

// small downloads a document whole.
func small(ctx context.Context, page Reader, a Asset, limit int64, policy *retry.Policy) ([]byte, error) {
	var b bytes.Buffer
	err := copyAsset(ctx, page, a, &b, limit, policy)
	return b.Bytes(), err
}

// compareTags orders tags by the versions that they name; those that name none
// come first.
func compareTags(a, b string) int {
	v, verr := release.ParseVersion(a)
	w, werr := release.ParseVersion(b)
	switch {
	case verr != nil && werr != nil:
		return 0
	case verr != nil:
		return -1
	case werr != nil:
		return 1
	}
	return v.Compare(w)
}
