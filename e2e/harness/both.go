package harness

import (
	"sync"
	"time"
)

// OnBothSides does something for each side at every tick, until it returns false or the end is called, which waits, and may be called again.
func OnBothSides(every time.Duration, work func(side int) bool) (end func()) {
	done := make(chan struct{})
	var both sync.WaitGroup
	for side := range 2 {
		both.Go(func() {
			tick := time.NewTicker(every)
			defer tick.Stop()
			for {
				select {
				case <-done:
					return
				case <-tick.C:
				}
				if !work(side) {
					return
				}
			}
		})
	}
	return sync.OnceFunc(func() {
		close(done)
		both.Wait()
	})
}
