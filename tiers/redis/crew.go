package redis

import "sync"

// crew are the tier's goroutines. The zero crew is ready.
type crew struct {
	mu   sync.Mutex
	gone bool
	work sync.WaitGroup
}

// hire runs f in a goroutine, and returns false when the crew has been dismissed.
func (c *crew) hire(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return false
	}
	c.work.Go(f)
	return true
}

// dismiss takes no more work and waits until that in progress has ended.
func (c *crew) dismiss() {
	c.mu.Lock()
	c.gone = true
	c.mu.Unlock()
	c.work.Wait()
}
