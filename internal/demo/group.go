package demo

import (
	"context"
	"sync"
)

// group is what serves until it is told to end, all at once.
type group struct {
	serving sync.WaitGroup
	ends    []context.CancelFunc
}

// run serves in the background. The channel gets what was returned.
func (g *group) run(ctx context.Context, serve func(context.Context) error) <-chan error {
	// Each is ended in its turn, even when the program is interrupted: the
	// processes must outlive the gateway.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	g.ends = append(g.ends, cancel)
	ended := make(chan error, 1)
	g.serving.Go(func() { ended <- serve(ctx) })
	return ended
}

// wait waits until all have ended by themselves.
func (g *group) wait() { g.serving.Wait() }

// end tells all to end, and waits until they have.
func (g *group) end() {
	for _, end := range g.ends {
		end()
	}
	g.serving.Wait()
}
