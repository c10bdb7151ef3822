package main

import (
	"io"
	"os"
	"sync"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"facerec/internal/text"
)

// console is standard error: whole lines, one after the other, and above the
// progress bars while there are some.
type console struct {
	mu   sync.Mutex
	w    io.Writer
	bars *mpb.Progress // nil while there are none
}

// Write writes p without another writer's bytes inside it. It is the last guard of
// standard error: whatever is in p, nothing in it acts.
func (c *console) Write(p []byte) (int, error) {
	if _, err := c.command(text.Lines(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// command writes what a CI runner is meant to obey.
func (c *console) command(p string) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bars != nil {
		return io.WriteString(c.bars, p)
	}
	return io.WriteString(c.w, p)
}

// raise begins to show bars; lower ends it.
func (c *console) raise() *mpb.Progress {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bars = mpb.New(mpb.WithOutput(c.w), mpb.WithWidth(80))
	return c.bars
}

// lower waits until the bars have reached their last state and leaves them there.
func (c *console) lower() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bars.Wait()
	c.bars = nil
}

// progress shows on standard error how far a verb has come: as bars on a terminal,
// else as a line for each thing that is finished, and with --quiet not at all. The
// log of a CI job is not a terminal, even where it looks like one.
type progress struct {
	app  *app
	verb string

	mu     sync.Mutex
	screen *mpb.Progress // nil where no bars are shown
	bars   map[string]*bar
	prefix string
}

type bar struct {
	*mpb.Bar
	total int64
}

// progress begins; the caller ends it with close.
func (a *app) progress(verb string) *progress {
	p := &progress{app: a, verb: verb, bars: map[string]*bar{}}
	if !a.quiet && onScreen(a.errs.w) {
		p.screen = a.errs.raise()
	}
	return p
}

// onScreen reports whether somebody looks at a writer while it is written to.
func onScreen(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" || os.Getenv("CI") != "" {
		return false
	}
	width, height, err := term.GetSize(int(f.Fd())) // fails for what is not a terminal
	return err == nil && width > 0 && height > 0
}

// live reports whether there are bars.
func (p *progress) live() bool { return p != nil && p.screen != nil }

// under puts a prefix before the names of all that follows, so that what has one
// name in two releases has two bars.
func (p *progress) under(prefix string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.prefix = prefix
}

// move says how many bytes of something are done, of how many.
func (p *progress) move(name string, done, total int64) {
	if !p.live() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	name = p.prefix + name
	b := p.bars[name]
	if b == nil {
		style := mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding(" ").Rbound("]").Build()
		added, err := p.screen.Add(0, style, // the total may grow, so it is not known to be reached
			mpb.PrependDecorators(decor.Name(p.verb+" "+name, decor.WCSyncSpaceR)),
			mpb.AppendDecorators(decor.CountersKibiByte("% .1f / % .1f", decor.WCSyncSpace)))
		if err != nil {
			return
		}
		b = &bar{Bar: added}
		p.bars[name] = b
	}
	b.total = total
	b.SetTotal(total, false)
	b.SetCurrent(done)
}

// finish says that something has ended, and how.
func (p *progress) finish(name, how string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.live() {
		p.app.note("%s: %s: %s", p.verb, p.prefix+name, how)
	}
}

// close takes the bars down, leaving them as they stand, and the terminal at the
// beginning of a line.
func (p *progress) close() {
	if !p.live() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.bars {
		if b.Current() >= b.total {
			b.SetTotal(-1, true) // it is done
		} else {
			b.Abort(false)
		}
	}
	p.app.errs.lower()
	p.screen = nil
}
