package tiers

// Claim is what a sidecar finds that wants to fetch a response for the whole fleet.
type Claim uint8

// The claims.
const (
	ClaimMine     Claim = iota // nobody else fetches it: the caller does, until it yields
	ClaimTheirs                // another sidecar is fetching it
	ClaimStored                // another one has just stored it
	ClaimUnshared              // another one found a moment ago that it cannot be shared
	ClaimFailed                // another one has just got an error for it
)

// String returns the claim in a word.
func (c Claim) String() string {
	return [...]string{"mine", "theirs", "stored", "unshared", "failed"}[c]
}
