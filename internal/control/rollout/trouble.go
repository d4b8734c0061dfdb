package rollout

import "log/slog"

// trouble is what goes wrong again and again, and is told once.
type trouble string

// tell logs an error that differs from the last one, and its end.
func (t *trouble) tell(log *slog.Logger, what string, err error, args ...any) {
	now := trouble("")
	if err != nil {
		now = trouble(err.Error())
	}
	switch {
	case now == *t:
		return
	case err != nil:
		log.Error(what, append(args, "error", err)...)
	default:
		log.Info(what+": no longer", args...)
	}
	*t = now
}
