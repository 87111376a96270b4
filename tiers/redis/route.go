package redis

import (
	"context"
	"errors"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// route finds the lane of a key.
type route interface {
	// lane returns the lane of a key for reads or for writes.
	lane(ctx context.Context, key string, op Op) (*lane, error)
	// all lists the lanes that there are now.
	all() []*lane
	// again sends what a lane's server answered with a redirection, and follows it.
	again(ctx context.Context, op Op, cmds []goredis.Cmder) error
}

// fixed is the route to one server: for reads perhaps to another one.
type fixed struct{ writes, reads *lane }

func (f *fixed) lane(_ context.Context, _ string, op Op) (*lane, error) {
	if op == OpGet && !f.reads.breaker.isOpen() {
		return f.reads, nil
	}
	return f.writes, nil
}

func (f *fixed) all() []*lane {
	if f.reads == f.writes {
		return []*lane{f.writes}
	}
	return []*lane{f.writes, f.reads}
}

func (f *fixed) again(_ context.Context, _ Op, cmds []goredis.Cmder) error { return firstError(cmds) }

// cluster is the route to the nodes of a cluster. Each node has a lane, so that one that is away takes no time
// from the keys of the others, and operations are sent together only when they go to the same node.
type cluster struct {
	client   *goredis.ClusterClient
	replicas bool // read from them
	home     *lane
	open     func(addr string, client *goredis.Client) *lane

	mu    sync.RWMutex
	nodes map[*goredis.Client]*lane
}

func (c *cluster) lane(ctx context.Context, key string, op Op) (*lane, error) {
	state, ok := c.home.breaker.enter()
	if !ok {
		return nil, ErrOpen
	}
	if op == OpGet && c.replicas {
		if node, err := c.client.SlaveForKey(ctx, key); err == nil {
			if l := c.of(node); !l.breaker.isOpen() {
				return l, nil
			}
		}
	}
	node, err := c.client.MasterForKey(ctx, key)
	if err != nil {
		if r := classify(ctx, err); r != Cancelled && !hurried(ctx) {
			c.home.failed(state, &Error{op, r, err}, 1)
		}
		return nil, err
	}
	c.home.breaker.succeeded()
	return c.of(node), nil
}

// of returns the node's lane, which it opens when it is new.
func (c *cluster) of(node *goredis.Client) *lane {
	c.mu.RLock()
	l := c.nodes[node]
	c.mu.RUnlock()
	if l != nil {
		return l
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if l = c.nodes[node]; l == nil {
		l = c.open(node.Options().Addr, node)
		c.nodes[node] = l
	}
	return l
}

// forget ends the lane of a node that left the cluster.
func (c *cluster) forget(l *lane) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for node, has := range c.nodes {
		if has == l {
			delete(c.nodes, node)
		}
	}
}

func (c *cluster) all() []*lane {
	c.mu.RLock()
	defer c.mu.RUnlock()
	lanes := []*lane{c.home}
	for _, l := range c.nodes {
		lanes = append(lanes, l)
	}
	return lanes
}

func (c *cluster) again(ctx context.Context, op Op, cmds []goredis.Cmder) error {
	if op == OpGet && c.replicas {
		// The client would ask one node for the value and another for the time it has left.
		c.client.ReloadState(ctx)
		return firstError(cmds)
	}
	c.home.trips.roundTrips.Add(1)
	if err := exec(ctx, c.client, cmds); err != nil {
		return err
	}
	return firstError(cmds)
}

// probeHome finds out whether the cluster can be found.
func (c *cluster) probeHome(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	_, err := c.client.MasterForKey(ctx, "")
	return err
}

// dial makes the route for a client.
func (t *Tier) dial(client goredis.UniversalClient, replicas goredis.UniversalClient, fromReplicas bool) route {
	if c, ok := client.(*goredis.ClusterClient); ok {
		r := &cluster{client: c, replicas: fromReplicas, nodes: make(map[*goredis.Client]*lane)}
		r.home = t.lane("", c, r.probeHome)
		r.open = func(addr string, node *goredis.Client) *lane {
			var l *lane
			l = t.lane(addr, node, func(ctx context.Context) error {
				err := t.probe(ctx, node)
				if errors.Is(err, goredis.ErrClosed) {
					r.forget(l)
					return errGone
				}
				if err != nil {
					c.ReloadState(ctx) // perhaps another node has its slots by now
				}
				return err
			})
			return l
		}
		return r
	}
	f := &fixed{}
	f.writes = t.lane("", client, func(ctx context.Context) error { return t.probe(ctx, client) })
	f.reads = f.writes
	if replicas != nil {
		f.reads = t.lane("replica", replicas, func(ctx context.Context) error { return t.probe(ctx, replicas) })
	}
	return f
}

// lane opens a lane. probe finds out whether the server is well; a goroutine asks it while the breaker is open.
func (t *Tier) lane(addr string, client pipeliner, probe func(context.Context) error) *lane {
	l := newLane(t.base, &t.crew, addr, client, t.timeout, &t.counters)
	l.opened = func() { t.crew.hire(func() { t.mend(l, probe) }) }
	return l
}

func (t *Tier) mend(l *lane, probe func(context.Context) error) {
	cause := l.cause.Load()
	away, ok := l.breaker.mend(t.base, probe, func() { t.tellAway(l) })
	if ok {
		l.cause.CompareAndSwap(cause, nil)
		t.log.await(t.base, levelInfo, "L2 is back", l.about("away_for", away.Round(time.Millisecond).String())...)
	}
}

// tellAway logs why the breaker opened, once per outage and as soon as the throttle lets it.
func (t *Tier) tellAway(l *lane) {
	cause := l.cause.Load()
	if cause != nil && t.log.write(levelWarn, "L2 is away, and not asked until it answers",
		l.about("cause", cause.Result.String(), "error", cause.Err)...) {
		l.cause.CompareAndSwap(cause, nil)
	}
}

// asker is what a probe needs of the client library.
type asker interface {
	pipeliner
	Ping(ctx context.Context) *goredis.StatusCmd
}

// probe is a round trip as a look-up makes it, in the time that a look-up has, once a connection stands.
func (t *Tier) probe(ctx context.Context, client asker) error {
	connect, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if err := client.Ping(connect).Err(); err != nil {
		return err
	}
	ctx, cancel = context.WithTimeout(ctx, t.timeout)
	defer cancel()
	cmds := t.reads.of(t.primary(digest{})).cmds()
	if err := exec(ctx, client, cmds); err != nil {
		return err
	}
	if err := firstError(cmds); err != nil && classify(ctx, err) != Moved {
		return err
	}
	return nil
}
