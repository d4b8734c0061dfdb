package policy

// list is doubly linked through its members, which can leave from anywhere in
// constant time. Whoever is in several lists has a links for each; at says
// where this one's are.
type list[T any] struct{ oldest, newest *T }

type links[T any] struct{ before, behind *T }

func (l *list[T]) push(m *T, at func(*T) *links[T]) {
	at(m).before = l.newest
	if l.newest != nil {
		at(l.newest).behind = m
	} else {
		l.oldest = m
	}
	l.newest = m
}

func (l *list[T]) remove(m *T, at func(*T) *links[T]) {
	own := at(m)
	if own.before != nil {
		at(own.before).behind = own.behind
	} else {
		l.oldest = own.behind
	}
	if own.behind != nil {
		at(own.behind).before = own.before
	} else {
		l.newest = own.before
	}
	*own = links[T]{}
}
