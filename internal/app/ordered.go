package app

import (
	"context"
	"sync"
)

// Ordered calls work(0) to work(n-1), up to jobs at a time, and done(i) for
// each in order, from the calling goroutine. No more than jobs results wait
// for their turn, so that memory stays bounded whatever n is. The first error,
// of work in the order of i or of done, ends it: whatever is under way gets a
// context that is done, and Ordered returns when all of it has come back.
//
// Each work may reserve memory once; what is reserved at any time, until done
// was called, is at most memory bytes (0: any number), except that a work that
// needs more than that has it all for itself.
func Ordered(ctx context.Context, jobs, n int, memory int64, work func(ctx context.Context, i int, reserve Reserve) error, done func(i int) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	jobs = max(1, min(jobs, n))
	results := make(chan chan error, jobs)
	tokens := make(chan struct{}, jobs)
	m := newMemory(memory)
	defer context.AfterFunc(ctx, m.wake)()
	go func() {
		defer close(results)
		for i := range n {
			select {
			case tokens <- struct{}{}:
			case <-ctx.Done():
				return
			}
			ch := make(chan error, 1)
			go func() {
				err := work(ctx, i, func(ctx context.Context, bytes int64) error { return m.reserve(ctx, i, bytes) })
				m.pass(i)
				ch <- err
				<-tokens
			}()
			results <- ch
		}
	}()
	var first error
	i := 0
	for ch := range results {
		err := <-ch
		if first == nil {
			if err == nil {
				err = done(i)
			}
			if err != nil {
				first = err
				cancel()
			}
		}
		m.release(i)
		i++
	}
	if first == nil && i < n {
		first = ctx.Err()
	}
	return first
}

// memory shares out bytes to works in their order: i's turn comes when every
// one before it has reserved, or come back without. So whatever the first one
// that is not done waits for is held by works before it, which will be done:
// nothing waits for ever.
type memory struct {
	mu     sync.Mutex
	change *sync.Cond
	limit  int64
	used   int64
	turn   int           // the next one that may reserve
	passed map[int]bool  // those that reserved or came back before their turn
	held   map[int]int64 // by those that are not done
}

func newMemory(limit int64) *memory {
	m := &memory{limit: limit, passed: map[int]bool{}, held: map[int]int64{}}
	m.change = sync.NewCond(&m.mu)
	return m
}

func (m *memory) reserve(ctx context.Context, i int, bytes int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.limit > 0 {
		bytes = min(bytes, m.limit)
		for ctx.Err() == nil && (m.turn < i || m.used+bytes > m.limit) {
			m.change.Wait()
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	m.used += bytes
	m.held[i] += bytes
	m.passLocked(i)
	return nil
}

func (m *memory) pass(i int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.passLocked(i)
}

func (m *memory) passLocked(i int) {
	if i < m.turn {
		return
	}
	m.passed[i] = true
	for m.passed[m.turn] {
		delete(m.passed, m.turn)
		m.turn++
	}
	m.change.Broadcast()
}

func (m *memory) release(i int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.used -= m.held[i]
	delete(m.held, i)
	m.change.Broadcast()
}

// wake has everybody look at their context.
func (m *memory) wake() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.change.Broadcast()
}
