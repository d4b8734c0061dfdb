package gateway

import "github.com/afloat-dev/afloat/policy"

// RetryStatus counts what was repeated, and what may be now.
type RetryStatus struct {
	// Repeated is how many tries were further ones, and Refused how many were
	// not made for want of budget.
	Repeated uint64 `json:"repeated"`
	Refused  uint64 `json:"refused"`
	// Left is how many more tries the budget allows now, and Spent how many it
	// has of late; without a bound both are 0 and Unbounded is set.
	Left      int  `json:"left"`
	Spent     int  `json:"spent"`
	Unbounded bool `json:"unbounded,omitempty"`
}

func retryStatus(r *policy.Retry) *RetryStatus {
	st := r.Status()
	return &RetryStatus{
		Repeated: st.Repeated, Refused: st.Stopped["budget"],
		Left: int(st.Budget.Left), Spent: int(st.Budget.Spent), Unbounded: st.Budget.Off,
	}
}
