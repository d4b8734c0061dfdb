// Package journal keeps what happened and who did what, apart from metrics and
// their retention: alerts, actions of people and of controllers, and changes of
// configuration, each with its why.
//
// It is a folder of files to which lines are only ever added, one JSON object
// a line:
//
//	journal-00000000000000000001.jsonl   full; named for its first entry
//	journal-00000000000000004711.jsonl   the one that grows
//	lasting-00000000000000000007.jsonl   of what is not for every day
//
// What endpoints, services and processes do is apart from all else, so that a
// storm of the former erases no alert. A process that is killed in the middle of
// a line loses that line and no other. When the files of a kind exceed their
// limit, the oldest is deleted. On a full disk entries wait in memory.
package journal
