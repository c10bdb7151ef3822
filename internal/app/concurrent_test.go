package app_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"facerec/internal/app"
	"facerec/internal/app/apptest"
)

func TestOrdered(t *testing.T) {
	for _, jobs := range []int{0, 1, 2, 7, 500} {
		for _, n := range []int{0, 1, 100} {
			var got []int
			var busy, most atomic.Int64
			err := app.Ordered(context.Background(), jobs, n, 0, func(_ context.Context, _ int, _ app.Reserve) error {
				b := busy.Add(1)
				for m := most.Load(); b > m && !most.CompareAndSwap(m, b); m = most.Load() {
				}
				busy.Add(-1)
				return nil
			}, func(i int) error { got = append(got, i); return nil })
			if err != nil || len(got) != n {
				t.Fatalf("jobs %d, n %d: %d done, %v", jobs, n, len(got), err)
			}
			for i := range got {
				if got[i] != i {
					t.Fatalf("jobs %d: out of order: %v", jobs, got)
				}
			}
			if int(most.Load()) > max(1, jobs) {
				t.Errorf("jobs %d: %d at once", jobs, most.Load())
			}
		}
	}
}

// The error that counts is the first in order, not in time, and what follows
// it is not done.
func TestOrderedError(t *testing.T) {
	for _, jobs := range []int{1, 3} {
		started := make(chan struct{})
		var once sync.Once
		var done []int
		err := app.Ordered(context.Background(), jobs, 1000, 0, func(_ context.Context, i int, _ app.Reserve) error {
			switch i {
			case 5:
				if jobs > 1 {
					<-started // until a later one has failed
				}
				return errors.New("five")
			case 6:
				once.Do(func() { close(started) })
				return errors.New("six")
			}
			return nil
		}, func(i int) error { done = append(done, i); return nil })
		if err == nil || err.Error() != "five" || len(done) != 5 {
			t.Errorf("jobs %d: %v after %v", jobs, err, done)
		}
	}
	// done's own error
	err := app.Ordered(context.Background(), 2, 10, 0, func(_ context.Context, _ int, _ app.Reserve) error { return nil },
		func(i int) error { return fmt.Errorf("full at %d", i) })
	if err == nil || err.Error() != "full at 0" {
		t.Errorf("got %v", err)
	}
	// a context that is done from the start
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := app.Ordered(ctx, 2, 10, 0, func(ctx context.Context, _ int, _ app.Reserve) error { return ctx.Err() }, func(int) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// lone fails when it is used by two at once.
type lone struct {
	apptest.Engine
	busy atomic.Bool
	gate chan struct{}
}

func (l *lone) Faces(ctx context.Context, p app.Picture) ([]app.Detection, error) {
	if !l.busy.CompareAndSwap(false, true) {
		return nil, errors.New("two at once")
	}
	defer l.busy.Store(false)
	if l.gate != nil {
		<-l.gate
	}
	return nil, nil
}

func TestPool(t *testing.T) {
	var mu sync.Mutex
	var opened []*lone
	p := app.NewPool(3, func() (app.Engine, error) {
		mu.Lock()
		defer mu.Unlock()
		opened = append(opened, &lone{})
		return opened[len(opened)-1], nil
	})
	if len(opened) != 0 {
		t.Error("an engine was opened before it was needed")
	}
	if _, err := p.Faces(context.Background(), app.Picture{}); err != nil || len(opened) != 1 {
		t.Errorf("%d opened, %v", len(opened), err)
	}
	if _, err := p.Faces(context.Background(), app.Picture{}); err != nil || len(opened) != 1 {
		t.Errorf("%d opened for one after the other, %v", len(opened), err)
	}
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if _, err := p.Faces(context.Background(), app.Picture{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(opened) > 3 {
		t.Errorf("%d opened, want at most 3", len(opened))
	}
	if p.Info().Lineage != "test" {
		t.Error("no info")
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	for _, e := range opened {
		if !e.Closed.Load() {
			t.Error("an engine was left open")
		}
	}
	if _, err := p.Faces(context.Background(), app.Picture{}); err == nil {
		t.Error("a closed pool answered")
	}
}

// Two engines are opened at once: each waits for the other to begin.
func TestPoolOpensTogether(t *testing.T) {
	var both sync.WaitGroup
	both.Add(2)
	p := app.NewPool(2, func() (app.Engine, error) {
		both.Done()
		both.Wait()
		return &lone{}, nil
	})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if _, err := p.Faces(context.Background(), app.Picture{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestPoolOpenFails(t *testing.T) {
	boom, n := errors.New("boom"), 0
	p := app.NewPool(2, func() (app.Engine, error) { n++; return nil, boom })
	for range 3 {
		_, err := p.Faces(context.Background(), app.Picture{})
		var fatal *app.EngineError
		if !errors.Is(err, boom) || !errors.As(err, &fatal) {
			t.Errorf("got %v", err)
		}
	}
	if n != 1 {
		t.Errorf("tried %d times", n)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// An interrupted caller does not wait for the engine.
func TestPoolInterrupted(t *testing.T) {
	gate := make(chan struct{})
	e := &lone{gate: gate}
	p := app.NewPool(1, func() (app.Engine, error) { return e, nil })
	ctx, cancel := context.WithCancel(context.Background())
	errs := make(chan error)
	go func() {
		_, err := p.Faces(ctx, app.Picture{})
		errs <- err
	}()
	for !e.busy.Load() {
		runtime.Gosched()
	}
	cancel()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	// Nor does one who only waits for a free engine.
	if _, err := p.Faces(ctx, app.Picture{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(gate)
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
