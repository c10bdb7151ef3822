package app

import (
	"context"
	"errors"
	"sync"
)

// EngineError marks an error that is the engine's own, such as models that
// cannot be loaded, rather than a picture's: there is no point in going on.
type EngineError struct{ Err error }

func (e *EngineError) Error() string { return e.Err.Error() }

// Unwrap returns the engine's error.
func (e *EngineError) Unwrap() error { return e.Err }

// Pool is an Engine made of up to n engines, each busy with one picture at a
// time: dlib's networks cannot be used by two threads at once. Engines are
// opened when they are first needed, so that whoever needs none loads no models,
// and next to each other: nobody waits for an engine that somebody else opens.
type Pool struct {
	open func() (Engine, error)
	sem  chan struct{} // one token for each engine that may be busy

	mu     sync.Mutex
	idle   []Engine
	all    []Engine
	failed error
	closed bool
}

// NewPool returns a pool of at most n engines (at least one), made by open.
func NewPool(n int, open func() (Engine, error)) *Pool {
	return &Pool{open: open, sem: make(chan struct{}, max(1, n))}
}

// take returns an engine that nobody uses.
func (p *Pool) take(ctx context.Context) (Engine, error) {
	select {
	case p.sem <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := ctx.Err(); err != nil { // select is not in order
		<-p.sem
		return nil, err
	}
	e, err := p.engine()
	if err != nil {
		<-p.sem
		return nil, &EngineError{err}
	}
	return e, nil
}

func (p *Pool) engine() (Engine, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errors.New("the engine is closed")
	}
	if n := len(p.idle); n > 0 {
		e := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return e, nil
	}
	failed := p.failed
	p.mu.Unlock()
	if failed != nil {
		return nil, failed
	}
	e, err := p.open()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.failed = err
		return nil, err
	}
	p.all = append(p.all, e)
	return e, nil
}

func (p *Pool) give(e Engine) {
	p.mu.Lock()
	p.idle = append(p.idle, e)
	p.mu.Unlock()
	<-p.sem
}

// Faces has one of the engines look at the picture. When ctx is done it
// returns at once; the engine finishes behind its back.
func (p *Pool) Faces(ctx context.Context, pic Picture) ([]Detection, error) {
	e, err := p.take(ctx)
	if err != nil {
		return nil, err
	}
	type answer struct {
		found []Detection
		err   error
	}
	ch := make(chan answer, 1)
	go func() {
		found, err := e.Faces(ctx, pic)
		p.give(e)
		ch <- answer{found, err}
	}()
	select {
	case a := <-ch:
		return a.found, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Info opens an engine if none is open yet; if that fails it answers nothing.
func (p *Pool) Info() EngineInfo {
	e, err := p.take(context.Background())
	if err != nil {
		return EngineInfo{}
	}
	defer p.give(e)
	return e.Info()
}

// Close waits for the engines to finish what they are at, and closes them.
func (p *Pool) Close() error {
	for range cap(p.sem) {
		p.sem <- struct{}{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	var errs []error
	for _, e := range p.all {
		errs = append(errs, e.Close())
	}
	p.all, p.idle = nil, nil
	for range cap(p.sem) {
		<-p.sem
	}
	return errors.Join(errs...)
}
