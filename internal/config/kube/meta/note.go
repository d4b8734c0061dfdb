package meta

import "github.com/afloat-dev/afloat/internal/config/yamltree"

// Refused is the note of a field that cannot be ignored: word says what would
// be lost.
func Refused(word string) yamltree.Note {
	return yamltree.Note{Severity: yamltree.Error, Word: "not supported yet: " + word, Fix: "remove it"}
}

// Ignored is the note of a field without effect here: word says why that is
// harmless.
func Ignored(word string) yamltree.Note {
	return yamltree.Note{Severity: yamltree.Warning, Word: "ignored: " + word}
}

// Unless makes a note silent for values that change nothing.
func Unless(note yamltree.Note, neutral ...string) yamltree.Note {
	note.Neutral = neutral
	return note
}
