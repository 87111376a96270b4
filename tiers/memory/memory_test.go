package memory_test

import (
	"testing"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/memory"
	"github.com/nearside-cache/nearside/tiers/tierstest"
)

func TestContract(t *testing.T) {
	tierstest.Run(t, func(*testing.T) tiers.Tier {
		return memory.New(memory.Config{MaxBytes: 64 << 20})
	})
}

func TestContractSharded(t *testing.T) {
	tierstest.Run(t, func(*testing.T) tiers.Tier {
		return memory.New(memory.Config{MaxBytes: 1 << 30, MaxTTL: 1 << 50})
	})
}

func TestContractLRU(t *testing.T) {
	tierstest.Run(t, func(*testing.T) tiers.Tier {
		return memory.New(memory.Config{MaxBytes: 64 << 20, Policy: memory.LRU})
	})
}
