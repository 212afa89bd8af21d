package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

type version [3]int

func parseVersion(text string) version {
	var v version
	for i, part := range strings.SplitN(strings.TrimPrefix(text, "v"), ".", 3) {
		v[i], _ = strconv.Atoi(part)
	}
	return v
}

func (v version) atLeast(since version) bool { return slices.Compare(v[:], since[:]) >= 0 }

// readOnly are the paths that a Milvus answers without doing anything, and
// since when. Who answers is in view.answer.
var readOnly = map[string]version{
	"/healthz":                {},
	"/metrics":                {},
	"/livez":                  {2, 6, 7},
	"/management/check/ready": {2, 4, 5},
	"/management/replica/loadconfig/compliance": {2, 6, 16},
	"/api/v1/health":             {},
	"/api/v1/_db/list":           {2, 5, 0},
	"/api/v1/_collection/list":   {2, 5, 0},
	"/api/v1/_qc/replica":        {2, 5, 0},
	"/api/v1/_qc/resource_group": {2, 5, 0},
}

// acting are parts of the paths on which a GET changes something.
var acting = []string{"/management/stop", "/suspend", "/resume", "/transfer", "/gc/pause", "/gc/resume"}

// A node that left before anyone looked has the number before this one.
const firstID = 2

// view is the world as one pod sees it at one moment.
type view struct {
	version     version
	state       string
	replicas    int    // of every loaded collection
	groups      int    // query nodes that a resource group asks for
	active      string // which coordinator; the oldest without it
	self        pod
	pods        []pod // of the release, oldest first
	ids         map[string]int
	changed     bool // other query nodes run than at first
	sinceChange time.Duration
}

func (v *view) read(annotations map[string]string) {
	v.version = parseVersion(annotations[annotationVersion])
	v.active = annotations[annotationActive]
	if v.state = annotations[annotationState]; v.state == "" {
		v.state = "healthy"
	}
	v.groups, _ = strconv.Atoi(annotations[annotationGroups])
	if v.replicas, _ = strconv.Atoi(annotations[annotationReplicas]); v.replicas < 1 {
		v.replicas = 1
	}
}

// answer is what a Milvus in good order says, however bad the news.
func (v *view) answer(path string, query url.Values) (status int, body string) {
	if slices.ContainsFunc(acting, func(part string) bool { return strings.Contains(path, part) }) {
		return http.StatusOK, `{"msg":"OK"}` // it would have done it
	}
	since, known := readOnly[path]
	if !known || !v.version.atLeast(since) {
		return http.StatusNotFound, "404 page not found\n"
	}
	component := v.self.component()
	onCoordinator := component == "mixcoord" || component == "querycoord" || component == "standalone"
	onProxy := component == "proxy" || component == "standalone"
	switch {
	case path == "/healthz" || path == "/livez":
		return http.StatusOK, "OK"
	case path == "/metrics":
		return http.StatusOK, v.metrics(onCoordinator)
	case path == "/management/check/ready":
		return v.ready(query.Get("role"))
	case strings.HasSuffix(path, "/compliance") && onCoordinator:
		if why := v.unwell(); why != "" {
			return http.StatusOK, text(map[string]string{"state": "NotReady", "reason": why})
		}
		return http.StatusOK, `{"state":"Ready"}`
	case path == "/api/v1/health" && onProxy:
		return http.StatusOK, `{"status":"ok"}`
	case path == "/api/v1/_db/list" && onProxy:
		return http.StatusOK, `{"db_names":["default","library"],"db_ids":["1","2"],"created_timestamps":["2026-01-01 08:00:00","2026-01-02 08:00:00"]}`
	case path == "/api/v1/_collection/list" && onProxy:
		return http.StatusOK, v.collections(query.Get("db_name"))
	case path == "/api/v1/_qc/resource_group" && onProxy:
		return http.StatusOK, fmt.Sprintf(`[{"name":"__default_resource_group","nodes":[1],"cfg":{"requests":{},"limits":{"node_num":1000000}}},{"name":"rg1","nodes":[],"cfg":{"requests":{"node_num":%d},"limits":{"node_num":%[1]d}}}]`, v.groups)
	case path == "/api/v1/_qc/replica" && onProxy:
		return http.StatusOK, text(v.replicaList())
	}
	return http.StatusNotFound, "404 page not found\n"
}

// unwell is why not all is well; empty when it is.
func (v *view) unwell() string {
	if v.moving() {
		return "segments of collection 100 are being moved"
	}
	if v.state == "unwell-collection-from-start" {
		return "collection 101 has no leader for its channel"
	}
	for _, replica := range v.replicaList() {
		if len(replica.ReadWrite) == 0 {
			return fmt.Sprintf("replica %d has no query node", replica.ID)
		}
		if len(replica.ReadOnly) > 0 {
			return fmt.Sprintf("replica %d still has %d read-only nodes", replica.ID, len(replica.ReadOnly))
		}
	}
	return ""
}

// moving tells whether data is on its way.
func (v *view) moving() bool {
	state, value, _ := strings.Cut(v.state, ":")
	duration, _ := time.ParseDuration(value)
	return state == "unwell" || state == "rebalancing" && v.changed && v.sinceChange < duration
}

// collections has one collection that is loaded in each database, and one that
// is not.
func (v *view) collections(database string) string {
	names, ids := []string{"books", "archive"}, []string{"100", "102"}
	available := !v.moving()
	switch database {
	case "library":
		names, ids = []string{"magazines"}, []string{"101"}
		available = v.state != "unwell-collection-from-start"
	case "default", "":
	default:
		return `{}`
	}
	for _, replica := range v.replicaList() {
		available = available && len(replica.ReadWrite) > 0
	}
	loaded, services, created := []string{"100", "unknown"}, []bool{available, false}, []string{"2026-01-03 08:00:00", "2026-01-04 08:00:00"}
	return text(map[string]any{
		"collection_names": names, "collection_ids": ids, "created_utc_timestamps": created[:len(names)],
		"inMemory_percentages": loaded[:len(names)], "query_service_available": services[:len(names)],
	})
}

type replica struct {
	ID         int64            `json:"ID,string"`
	Collection int64            `json:"collectionID,string"`
	ReadWrite  []int            `json:"rw_nodes,omitempty"`
	Group      string           `json:"resource_group"`
	ReadOnly   []int            `json:"ro_nodes,omitempty"`
	Channels   map[string][]int `json:"channel_to_rw_nodes,omitempty"`
}

// replicaList deals the query nodes of each resource group out to the replicas
// there. Who is terminating is read-only until it is gone.
func (v *view) replicaList() []replica {
	groups := []string{}
	for _, p := range v.pods {
		if p.component() == "querynode" && !slices.Contains(groups, p.group()) {
			groups = append(groups, p.group())
		}
	}
	slices.Sort(groups)
	if len(groups) == 0 {
		groups = []string{""}
	}
	var all []replica
	for _, collection := range []int64{100, 101} {
		first := len(all)
		for i := range v.replicas {
			all = append(all, replica{ID: collection*10 + int64(i), Collection: collection, Group: groupName(groups[i%len(groups)])})
		}
		dealt := map[string]int{}
		for _, p := range v.pods {
			if p.component() != "querynode" || !p.running() {
				continue
			}
			var there []*replica
			for i := range all[first:] {
				if r := &all[first+i]; r.Group == groupName(p.group()) {
					there = append(there, r)
				}
			}
			if len(there) == 0 {
				continue
			}
			id := v.ids[p.Metadata.UID]
			if p.isTerminating() {
				r := there[id%len(there)]
				r.ReadOnly = append(r.ReadOnly, id)
				continue
			}
			r := there[dealt[p.group()]%len(there)]
			dealt[p.group()]++
			r.ReadWrite = append(r.ReadWrite, id)
		}
	}
	if v.moving() {
		all[0].ReadOnly = append(all[0].ReadOnly, firstID-1)
	}
	return all
}

func groupName(label string) string {
	if label == "" {
		return "__default_resource_group"
	}
	return label
}

// roles are the names by which a pod may be asked whether it is ready. Before
// 2.6 the mixed coordinator was four in one process.
func (v *view) roles() []string {
	four := []string{"rootcoord", "querycoord", "datacoord", "indexcoord"}
	mixed := []string{"mixcoord"}
	if !v.version.atLeast(version{2, 6, 0}) {
		mixed = four
	}
	switch component := v.self.component(); component {
	case "mixcoord":
		return mixed
	case "standalone":
		return append(mixed, "proxy", "querynode", "datanode")
	default:
		return []string{component}
	}
}

func (v *view) ready(role string) (status int, body string) {
	if !slices.Contains(v.roles(), role) {
		return http.StatusInternalServerError, text(map[string]string{"msg": fmt.Sprintf("no component %q in this process", role)})
	}
	if strings.HasSuffix(role, "coord") && !v.isActive() {
		return http.StatusInternalServerError, text(map[string]string{"msg": fmt.Sprintf("component %q is StandBy", role)})
	}
	return http.StatusOK, `{"msg":"OK"}`
}

// isActive tells whether this coordinator is the one of its kind that works.
func (v *view) isActive() bool {
	var candidates []pod
	for _, p := range v.pods {
		if p.component() == v.self.component() && p.running() {
			candidates = append(candidates, p)
		}
	}
	chosen := slices.IndexFunc(candidates, func(p pod) bool { return !p.isTerminating() })
	if index, err := strconv.Atoi(v.active); err == nil && len(v.active) < 3 {
		chosen = index
	} else if v.active != "" {
		chosen = slices.IndexFunc(candidates, func(p pod) bool { return strings.HasSuffix(p.Metadata.Name, v.active) })
	}
	return chosen >= 0 && chosen < len(candidates) && candidates[chosen].Metadata.UID == v.self.Metadata.UID
}

func (v *view) metrics(onCoordinator bool) string {
	lines := []string{"# HELP go_goroutines Number of goroutines that currently exist.", "# TYPE go_goroutines gauge", "go_goroutines 412"}
	gauge := func(name, labels string, value int) {
		if labels != "" {
			labels = "{" + labels + "}"
		}
		if heading := "# TYPE " + name + " gauge"; !slices.Contains(lines, heading) {
			lines = append(lines, heading)
		}
		lines = append(lines, fmt.Sprintf("%s%s %d", name, labels, value))
	}
	if onCoordinator && v.isActive() {
		registered, readOnly := 0, 0
		for _, p := range v.pods {
			if p.component() == "querynode" && p.running() {
				registered++
			}
		}
		for _, r := range v.replicaList() {
			readOnly += len(r.ReadOnly)
		}
		gauge("milvus_querycoord_querynode_num", `node_id="1"`, registered)
		if v.version.atLeast(version{2, 4, 0}) {
			gauge("milvus_querycoord_replica_ro_node_total", "", readOnly)
		}
		moves := 0
		if v.moving() {
			moves = 7
		}
		for kind, count := range map[string]int{"segment_grow": 0, "segment_reduce": 0, "segment_move": moves, "channel_grow": 0, "channel_move": 0} {
			gauge("milvus_querycoord_task_num", fmt.Sprintf("node_id=%q,querycoord_task_type=%q", "1", kind), count)
		}
	}
	if v.self.component() == "querynode" {
		gauge("milvus_querynode_segment_num", fmt.Sprintf("node_id=\"%d\"", v.ids[v.self.Metadata.UID]), 12)
	}
	return strings.Join(lines, "\n") + "\n"
}

// text is a value as JSON; all of them can be.
func text(value any) string {
	encoded, _ := json.Marshal(value)
	return string(encoded)
}
