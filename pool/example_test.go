package pool_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nearside-cache/nearside/pool"
)

// A Thumbnail is a job: one picture to be made smaller.
type Thumbnail struct {
	Picture string
	Width   int
}

// Execute would read, scale and write.
func (t *Thumbnail) Execute(ctx context.Context) error {
	fmt.Printf("%s: %d pixels wide\n", t.Picture, t.Width)
	return nil
}

// Make the pool, start the workers, hand it jobs.
func Example() {
	p := pool.New(pool.Config{Name: "thumbnails", Workers: 1, Queue: 100})
	p.Start(context.Background())

	for _, width := range []int{640, 320, 64} {
		switch err := p.Submit(&Thumbnail{"harbour.jpg", width}); err {
		case nil: // it will run
		case pool.ErrFull: // shed it, keep it for later, or make it here and now
		case pool.ErrStopped: // the program is on its way out
		}
	}

	if err := p.Stop(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(p.Stats().Done, "done")
	// Output:
	// harbour.jpg: 640 pixels wide
	// harbour.jpg: 320 pixels wide
	// harbour.jpg: 64 pixels wide
	// 3 done
}

// Give the queue a moment to drain, then the running jobs a moment to notice.
func ExamplePool_Stop() {
	var unsent []pool.Job
	p := pool.New(pool.Config{
		Name:    "mail",
		Workers: 1,
		OnDrop:  func(job pool.Job) { unsent = append(unsent, job) },
	})
	p.Start(context.Background())

	connected := make(chan struct{})
	_ = p.Submit(pool.JobFunc(func(ctx context.Context) error {
		close(connected)
		<-ctx.Done() // a mail server that never answers
		return ctx.Err()
	}))
	<-connected
	_ = p.Submit(pool.JobFunc(func(ctx context.Context) error { return nil }))

	drain, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	err := p.Stop(drain)
	fmt.Println("drained:", err == nil)

	if errors.Is(err, context.DeadlineExceeded) {
		notice, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = p.Stop(notice)
	}
	s := p.Stats()
	fmt.Println(s.Failed, "interrupted,", len(unsent), "to be sent another day")
	// Output:
	// drained: false
	// 1 interrupted, 1 to be sent another day
}

// Hooks are where a program logs what became of jobs nobody waits for.
func ExampleConfig() {
	p := pool.New(pool.Config{
		Workers: 1,
		OnError: func(job pool.Job, err error) { fmt.Println("failed:", err) },
		OnPanic: func(job pool.Job, value any, stack []byte) { fmt.Println("panicked:", value) },
	})
	p.Start(context.Background())
	_ = p.Submit(pool.JobFunc(func(context.Context) error { return errors.New("mailbox unavailable") }))
	_ = p.Submit(pool.JobFunc(func(context.Context) error { panic("no such template") }))
	_ = p.Submit(pool.JobFunc(func(context.Context) error { fmt.Println("sent"); return nil }))
	_ = p.Stop(context.Background())
	// Output:
	// failed: mailbox unavailable
	// panicked: no such template
	// sent
}
