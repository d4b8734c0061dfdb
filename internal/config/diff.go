package config

// Diff says in words what changed since an old assembly, which may be nil.
func (a *Assembly) Diff(old *Assembly) []string { return nil }
