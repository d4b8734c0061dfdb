package config

// Explain says in plain sentences what the assembly does.
func (a *Assembly) Explain() []string { return nil }
