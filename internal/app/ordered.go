package app

import "context"

// Ordered calls work(0) to work(n-1), up to jobs at a time, and done(i) for
// each in order, from the calling goroutine. No more than jobs results wait
// for their turn, so that memory stays bounded whatever n is. The first error,
// of work in the order of i or of done, ends it: whatever is under way gets a
// context that is done, and Ordered returns when all of it has come back.
func Ordered(ctx context.Context, jobs, n int, work func(ctx context.Context, i int) error, done func(i int) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	jobs = max(1, min(jobs, n))
	results := make(chan chan error, jobs)
	tokens := make(chan struct{}, jobs)
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
				ch <- work(ctx, i)
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
		i++
	}
	if first == nil && i < n {
		first = ctx.Err()
	}
	return first
}
