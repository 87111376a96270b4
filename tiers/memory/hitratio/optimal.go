package main

import (
	"container/heap"
	"math"
)

// optimal returns the hit ratio in percent of a cache that evicts what will be needed last (Belady's MIN).
func optimal(trace []uint32, capacity int) float64 {
	next := nextUses(trace)
	var queue uses
	until := map[uint32]int{} // of the keys in the cache: when they are needed next
	hits := 0
	for i, key := range trace {
		if _, ok := until[key]; ok {
			hits++
		} else if len(until) == capacity {
			for {
				u := heap.Pop(&queue).(use)
				if at, ok := until[u.key]; ok && at == u.at {
					delete(until, u.key)
					break
				}
			}
		}
		until[key] = next[i]
		heap.Push(&queue, use{next[i], key})
	}
	return 100 * float64(hits) / float64(len(trace))
}

// nextUses returns for each access when its key is accessed again.
func nextUses(trace []uint32) []int {
	next := make([]int, len(trace))
	later := map[uint32]int{}
	for i := len(trace) - 1; i >= 0; i-- {
		next[i] = math.MaxInt
		if at, ok := later[trace[i]]; ok {
			next[i] = at
		}
		later[trace[i]] = i
	}
	return next
}

// use is when a key is needed next.
type use struct {
	at  int
	key uint32
}

// uses is a heap whose top is the use that is furthest away.
type uses []use

func (u uses) Len() int           { return len(u) }
func (u uses) Less(i, j int) bool { return u[i].at > u[j].at }
func (u uses) Swap(i, j int)      { u[i], u[j] = u[j], u[i] }
func (u *uses) Push(x any)        { *u = append(*u, x.(use)) }

func (u *uses) Pop() any {
	old := *u
	last := old[len(old)-1]
	*u = old[:len(old)-1]
	return last
}
