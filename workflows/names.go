// Package workflows orchestrates table maps: who may change a map's status, what happens then, and how it is told. A
// map is one workflow (TableMap) whose runs each hold one status; a link has one workflow for its two streams (Link);
// commands for several maps are a parent and its children (RunRelated, RunMap). No row of a table passes through here.
package workflows

import "go.temporal.io/sdk/temporal"

// Names of the workflow types.
const (
	TypeTableMap   = "TableMap"
	TypeLink       = "Link"
	TypeRunRelated = "RunRelated"
	TypeRunMap     = "RunMap"
)

// Signals beside those that carry the names of commands.
const (
	SignalConfigure = "configure" // to TableMap, payload Configuration: the config file as it is now
	SignalHealth    = "health"    // to TableMap, payload tablemap.Health
	SignalAttach    = "attach"    // to Link: a map has been attached
	SignalAnswer    = "answer"    // to RunMap, payload Answer
)

// Queries.
const (
	QueryStatus   = "status"   // of TableMap: tablemap.Report without Streams
	QueryProgress = "progress" // of RunRelated: RelatedResult
)

// Types of application errors that Updates and RunMap return, beside those of package tablemap.
const (
	ErrorNotAllowed = "NotAllowed" // the status does not allow the command
	ErrorMalformed  = "Malformed"  // the payload cannot be read
	ErrorAgain      = "Again"      // the map is changing its status: send the same request again
	ErrorFailed     = "Failed"     // the map did not reach the status asked for; details: MapResult or RelatedResult
	ErrorUnknownMap = "UnknownMap" // no workflow of that map runs
)

// Search attributes of TableMap, of type Keyword.
const (
	AttributeStatus = "DualwriteStatus"
	AttributeLink   = "DualwriteLink"
	AttributeMap    = "DualwriteMap"
	AttributeHealth = "DualwriteHealth"
)

// Attributes names the search attributes, all of type Keyword, that Temporal must know before a map is registered.
func Attributes() []string {
	return []string{AttributeStatus, AttributeLink, AttributeMap, AttributeHealth}
}

// MapID is the id of the workflow of a map.
func MapID(link, name string) string { return link + "/map/" + name }

// LinkID is the id of the workflow of a link.
func LinkID(link string) string { return link + "/link" }

// RunID is the id of the workflow of one request for related maps.
func RunID(link, request string) string { return link + "/run/" + request }

// Queue is the task queue of a link's workflows and short activities.
func Queue(link string) string { return "dualwrite-" + link }

// CopyQueue is the task queue of a link's initial writes and replays.
func CopyQueue(link string) string { return Queue(link) + "-copy" }

// LiveQueue is the task queue of a link's streams and live writes.
func LiveQueue(link string) string { return Queue(link) + "-live" }

func keyword(name string) temporal.SearchAttributeKeyKeyword {
	return temporal.NewSearchAttributeKeyKeyword(name)
}
