//go:build race

package invalidation

const played = 400
