package hostile

import (
	"io"
	"net/http"
	"strconv"
)

// Cut breaks the connection after so many bytes of the body.
func Cut(after int) Spoiler {
	return func(w http.ResponseWriter, _ *http.Request, a Answer) {
		begin(w, a, after)
		panic(http.ErrAbortHandler)
	}
}

// Stall falls silent after so many bytes of the body, the last one excepted, until
// the client goes.
func Stall(after int) Spoiler {
	return func(w http.ResponseWriter, r *http.Request, a Answer) {
		if len(a.Body) > 0 { // with nothing to follow there is nothing to wait for
			begin(w, a, min(after, len(a.Body)-1))
		}
		<-r.Context().Done()
	}
}

// Mute never answers at all. It reads the request's body, or the server would not
// notice that the client is gone.
func Mute(_ http.ResponseWriter, r *http.Request, _ Answer) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// Drop breaks the connection without an answer.
func Drop(http.ResponseWriter, *http.Request, Answer) { panic(http.ErrAbortHandler) }

// begin promises the whole body and sends the beginning.
func begin(w http.ResponseWriter, a Answer, after int) {
	a.Header.Set("Content-Length", strconv.Itoa(len(a.Body)))
	a.sendHeader(w)
	_, _ = w.Write(a.Body[:min(after, len(a.Body))])
	_ = http.NewResponseController(w).Flush()
}

// Status answers with a status and headers: NAME, VALUE, NAME, VALUE…
func Status(code int, header ...string) Spoiler {
	return func(w http.ResponseWriter, _ *http.Request, _ Answer) {
		set(w.Header(), header)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = w.Write([]byte(`{"errors":[{"code":"UNAVAILABLE","message":"not today"}]}`))
	}
}

// Header changes headers: NAME, VALUE, NAME, VALUE…
func Header(header ...string) Spoiler {
	return func(w http.ResponseWriter, _ *http.Request, a Answer) {
		set(a.Header, header)
		a.Send(w)
	}
}

func set(h http.Header, pairs []string) {
	for i := 0; i+1 < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
}

// Body changes the body. With told, the Content-Length is that of the new one;
// without, there is none and the body comes in chunks.
func Body(change func([]byte) []byte, told bool) Spoiler {
	return func(w http.ResponseWriter, _ *http.Request, a Answer) {
		a.Body = change(a.Body)
		a.Header.Del("Content-Length")
		if told {
			a.Header.Set("Content-Length", strconv.Itoa(len(a.Body)))
		}
		a.sendHeader(w)
		if !told {
			_ = http.NewResponseController(w).Flush() // or the server counts a short body after all
		}
		_, _ = w.Write(a.Body)
	}
}

// Flip changes one bit in the middle of the body.
func Flip(b []byte) []byte {
	if len(b) > 0 {
		b[len(b)/2] ^= 1
	}
	return b
}

// Longer adds a byte, Shorter takes the second half away.
func Longer(b []byte) []byte  { return append(b, 0) }
func Shorter(b []byte) []byte { return b[:len(b)/2] }

// Endless begins with the honest body and never ends.
func Endless(w http.ResponseWriter, r *http.Request, a Answer) {
	a.Header.Del("Content-Length")
	a.sendHeader(w)
	for b := a.Body; r.Context().Err() == nil; b = make([]byte, 64<<10) {
		if _, err := w.Write(b); err != nil {
			return
		}
	}
}

// Redirect sends the client to another URL, with the path that it asked for.
func Redirect(base string) Spoiler {
	return func(w http.ResponseWriter, r *http.Request, _ Answer) {
		http.Redirect(w, r, base+r.URL.Path, http.StatusTemporaryRedirect)
	}
}
