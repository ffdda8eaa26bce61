// Package doctor says why a module download fails and what to do about it: it walks the
// stages of a download with probes of its own, and judges what they showed by a table.
//
// It prints nothing and knows no language but English: its sentences are templates with
// {names}, which whoever prints translates before they are filled in. It changes nothing
// on the machine, needs no privileges, and stores no module.
package doctor

import "slices"

// A Class is what kind of trouble it is: who is asked for help depends on it.
type Class string

// The classes, in the order of their exit statuses.
const (
	OK          Class = "ok"
	Degraded    Class = "degraded"     // works, though not as it should
	Config      Class = "config"       // a setting of this machine
	Local       Class = "local"        // this machine itself: disk, clock, routes, certificates
	DNS         Class = "dns"          // names and addresses
	Firewall    Class = "firewall"     // something on the way, or here, does not let it through
	Path        Class = "path"         // routes, packet sizes, loss
	PortMapping Class = "port-mapping" // the address is reached, and leads to the wrong place
	HTTPProxy   Class = "http-proxy"   // the proxy of HTTPS_PROXY
	TLS         Class = "tls"          // handshakes and certificates
	OriginDown  Class = "origin-down"  // the server is not there
	OriginSick  Class = "origin-sick"  // it is there, and does not do its work
	Content     Class = "content"      // an answer came, and it is not the file
	Checksum    Class = "checksum"     // what proves files, or a file that is not what is proven
	NotFound    Class = "not-found"    // no such module or version
	Auth        Class = "auth"         //
)

var classes = []struct {
	class Class
	exit  int
}{
	{OK, 0}, {Degraded, 3}, {Config, 10}, {Local, 11}, {DNS, 12}, {Firewall, 13}, {Path, 14}, {PortMapping, 15},
	{HTTPProxy, 16}, {TLS, 17}, {OriginDown, 18}, {OriginSick, 19}, {Content, 20}, {Checksum, 21}, {NotFound, 22}, {Auth, 23},
}

// Classes returns all classes in the order of their exit statuses.
func Classes() []Class {
	var all []Class
	for _, c := range classes {
		all = append(all, c.class)
	}
	return all
}

// Exit returns the exit status of a class; 1, the doctor's own failure, for what is none.
func (c Class) Exit() int {
	for _, o := range classes {
		if o.class == c {
			return o.exit
		}
	}
	return 1
}

// A Code names one finding for ever: MH, the exit status of its class, and a number.
type Code string

// A Confidence is how sure a finding is.
type Confidence string

// Certain is said only where a probe has excluded what looks the same.
const (
	Certain  Confidence = "certain"
	Likely   Confidence = "likely"
	Possible Confidence = "possible"
)

// A Severity is what a finding does to downloads.
type Severity string

// What is of severity Info changes no verdict.
const (
	Fail Severity = "fail" // they fail
	Warn Severity = "warn" // they work, slower or with less behind them
	Info Severity = "info"
)

// Who has to do something.
type Who string

// The three that can be asked.
const (
	You     Who = "you"
	Network Who = "network" // whoever runs the network between
	Owner   Who = "owner"   // whoever runs the service
)

// A Stage is a step of a download.
type Stage string

// The stages, in their order.
const (
	StageSettings Stage = "settings"
	StageDNS      Stage = "dns"
	StageTCP      Stage = "tcp"
	StageProxy    Stage = "http-proxy" // CONNECT
	StageTLS      Stage = "tls"
	StageHTTP     Stage = "http"
	StageProtocol Stage = "protocol" // GOPROXY's
	StageSumDB    Stage = "sumdb"
	StageVCS      Stage = "vcs"
	StageCapture  Stage = "capture"  // reading one
	StageListener Stage = "listener" // the program that waits for connections
	StagePortMap  Stage = "port-map" // where this machine passes a port on to
	StageFirewall Stage = "firewall" // of this machine
)

// Stages returns all stages in their order.
func Stages() []Stage {
	return []Stage{StageSettings, StageDNS, StageTCP, StageProxy, StageTLS, StageHTTP, StageProtocol, StageSumDB, StageVCS, StageCapture, StageListener, StagePortMap, StageFirewall}
}

// Lookup returns the entry of a code.
func Lookup(c Code) (Entry, bool) {
	all := Catalogue()
	if i := slices.IndexFunc(all, func(e Entry) bool { return e.Code == c }); i >= 0 {
		return all[i], true
	}
	return Entry{}, false
}
