package redis_test

import (
	"bufio"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/invalidation"
	"github.com/nearside-cache/nearside/tiers/redis"
	"github.com/nearside-cache/nearside/tiers/tierstest"
)

// startScripted starts a server that answers commands by name, "" by default, and returns its URL.
func startScripted(t *testing.T, answers map[string]string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go answer(conn, answers)
		}
	}()
	return "redis://" + ln.Addr().String()
}

func answer(conn net.Conn, answers map[string]string) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	number := func() int {
		line, err := r.ReadString('\n')
		if err != nil {
			return 0
		}
		n, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
		return n
	}
	for {
		name := ""
		for i := range number() {
			word := make([]byte, number()+2)
			if _, err := io.ReadFull(r, word); err != nil {
				return
			}
			if i == 0 {
				name = strings.ToLower(string(word[:len(word)-2]))
			}
		}
		reply, ok := answers[name]
		if !ok {
			reply = answers[""]
		}
		if _, err := io.WriteString(conn, reply); name == "" || err != nil {
			return
		}
	}
}

// TestHugeReplies: a server that announces more than there can be costs the connection, not the process.
func TestHugeReplies(t *testing.T) {
	for name, reply := range map[string]string{
		"value":  "$100000000000\r\n",
		"array":  "*2000000000\r\n",
		"larger": "*9000000000000000\r\n",
		"deep":   strings.Repeat("*1\r\n", 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			url := startScripted(t, map[string]string{
				"": "+OK\r\n", "hello": "-ERR unknown command\r\n", "pttl": ":1000\r\n", "getrange": reply, "evalsha": reply, "eval": reply,
			})
			tier := open(t, patient(config(url)))
			_, err := tier.Get(t.Context(), "k", nil)
			wantResult(t, err, redis.Down)
			vary := tierstest.Request{"accept": "a"}
			err = tier.Put(t.Context(), tierstest.NewVariant(tiers.Key("v"), "x", "accept", vary))
			wantResult(t, err, redis.Down)
			j := journal(t, url, invalidation.Config{Retention: 10})
			_, err = j.Append(t.Context(), tags("a"))
			if err == nil {
				t.Error("appended")
			}
		})
	}
}
