//go:build !race

package invalidation

// played is how many schedules TestModel plays, with seven purges each.
const played = 15_000
