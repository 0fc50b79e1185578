package read

import (
	"strconv"
	"strings"
	"time"

	"feedmill/internal/feeds"
)

// maxTTL bounds what a document may ask for between two requests. Whoever plans
// them has a bound of its own; this one keeps the number within its type.
const maxTTL = 366 * 24 * time.Hour

// A pacingText is what a feed asks for, as it says it: ttl, skipHours and
// skipDays of RSS, sy:updatePeriod and sy:updateFrequency of the syndication
// module.
type pacingText struct {
	ttl               string
	hours, days       []string
	period, frequency string
}

// pacing returns the same as numbers.
func (t *pacingText) pacing() feeds.Pacing {
	p := feeds.Pacing{SkipHours: skipHours(t.hours), SkipDays: skipDays(t.days)}
	if minutes, err := strconv.ParseInt(strings.TrimSpace(t.ttl), 10, 64); err == nil && minutes > 0 {
		p.TTL = time.Duration(min(minutes, int64(maxTTL/time.Minute))) * time.Minute
	}
	p.TTL = max(p.TTL, updateInterval(t.period, t.frequency))
	return p
}

// periods holds those of the syndication module.
var periods = map[string]time.Duration{
	"hourly": time.Hour, "daily": 24 * time.Hour, "weekly": 7 * 24 * time.Hour, "monthly": 30 * 24 * time.Hour, "yearly": 365 * 24 * time.Hour,
}

// updateInterval returns the interval that the syndication module asks for: a
// period, daily when it is not named, divided by the updates in it.
func updateInterval(period, frequency string) time.Duration {
	period, frequency = strings.ToLower(strings.TrimSpace(period)), strings.TrimSpace(frequency)
	if period == "" && frequency != "" {
		period = "daily"
	}
	interval := periods[period]
	if times, err := strconv.Atoi(frequency); err == nil && times > 0 {
		interval /= time.Duration(times)
	}
	return interval
}

// skipHours returns the set of hours in which the feed should not be asked. RSS
// 0.91 counts them from 1 to 24, RSS 2.0 from 0 to 23. A set of all of them is
// a mistake and asks nothing, as one of all days is.
func skipHours(hours []string) (set uint32) {
	for _, h := range hours {
		if n, err := strconv.Atoi(strings.TrimSpace(h)); err == nil && n >= 0 && n <= 24 {
			set |= 1 << (n % 24)
		}
	}
	return set % (1<<24 - 1)
}

// skipDays returns the set of weekdays in which the feed should not be asked.
func skipDays(days []string) (set uint8) {
	for _, name := range days {
		for d := time.Sunday; d <= time.Saturday; d++ {
			if strings.EqualFold(strings.TrimSpace(name), d.String()) {
				set |= 1 << d
			}
		}
	}
	return set % (1<<7 - 1)
}
