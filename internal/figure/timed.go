package figure

import (
	"context"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// Timed is a policy that tells how long what is further in took, and how it
// ended. A panic counts as a failure, and so does a class that there is not, of
// a classifier's mistake.
type Timed func(ctx context.Context, class policy.Class, took time.Duration)

// began is what durations count from: without a date a clock reads faster.
var began = time.Now()

// Do makes the call and measures it.
func (f Timed) Do(ctx context.Context, next policy.Next) policy.Result {
	begin := time.Since(began)
	returned := false
	defer func() {
		if !returned { // a panic or runtime.Goexit
			f.tell(ctx, policy.Failure, begin)
		}
	}()
	r := next.Do(ctx)
	returned = true
	if r.Open() {
		r.AtEnd(func(class policy.Class) { f.tell(ctx, class, begin) })
		return r
	}
	f.tell(ctx, r.Class, begin)
	return r
}

// Joins is part of [policy.Joiner].
func (f Timed) Joins() bool { return true }

func (f Timed) tell(ctx context.Context, class policy.Class, begin time.Duration) {
	if class > policy.Shed {
		class = policy.Failure
	}
	f(ctx, class, time.Since(began)-begin)
}
