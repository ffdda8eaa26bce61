package doctor

import (
	"cmp"
	"slices"
)

// An Entry says all that is known of a code before anything is probed. Its texts are
// templates; docs/doctor-codes.md is made of them.
type Entry struct {
	Code    Code
	Summary string // one sentence: what is wrong
	Meaning string // how it is known, and what it does to a download
	Fixes   []Remedy
	Or      []Other // what looks the same where the finding is not certain
}

// Class returns the class of the code: its first two digits are the exit status.
func (e Entry) Class() Class {
	exit := int(e.Code[2]-'0')*10 + int(e.Code[3]-'0')
	for _, c := range classes {
		if c.exit == exit {
			return c.class
		}
	}
	return ""
}

// A Remedy is a Fix whose {names} are not filled in.
type Remedy struct {
	Who     Who
	Title   string
	Command string
}

// An Other is an Alternative whose {names} are not filled in.
type Other struct {
	Class Class
	Tell  string
}

// Catalogue returns every code there is.
func Catalogue() []Entry {
	return byNumber(slices.Concat(captureCodes(), listenCodes(), wellCodes(), configCodes(), localCodes(), dnsCodes(), firewallCodes(), pathCodes(), mappingCodes(),
		proxyCodes(), tlsCodes(), originCodes(), contentCodes(), checksumCodes(), absenceCodes()))
}

// byNumber puts entries in the order of their codes.
func byNumber(all []Entry) []Entry {
	slices.SortStableFunc(all, func(a, b Entry) int { return cmp.Compare(a.Code, b.Code) })
	return all
}

// The codes of a server that does not say what it sees.
const (
	TooOld     Code = "MH0305"
	Foreign    Code = "MH0306"
	Speechless Code = "MH0307"
	NotAllowed Code = "MH2305"
)

// Well is the code of a verdict without findings, and standIn that of one where a later entry of the list does the work.
const (
	Well    Code = "MH0001"
	standIn Code = "MH0301"
)

func wellCodes() []Entry {
	return []Entry{
		{
			Code:    Well,
			Summary: "Nothing is wrong: every stage of a download works",
			Meaning: "Each probe came through, from the settings to the checksum database.",
		},
		{
			Code:    standIn,
			Summary: "Downloads work, but by way of {entry}: what stands before it in GOPROXY fails",
			Meaning: "An entry of GOPROXY fails in a way after which the go command asks the next one, and that one works. Each download waits for the failure first, and nothing stands in for the entry that is left.",
			Fixes:   []Remedy{{You, "mend what the finding about the failing entry says, or take the entry out of GOPROXY", ""}},
		},
		{
			Code:    TooOld,
			Summary: "The Modhaven at {url} is too old to say what it sees of its upstreams",
			Meaning: "It has no /doctor, which modhaven doctor --server asks.",
			Fixes:   []Remedy{{Owner, "update Modhaven there; until then run the doctor on that machine", "modhaven doctor"}},
		},
		{
			Code:    Foreign,
			Summary: "What answers at {url} is no Modhaven, so it cannot be asked what it sees of its upstreams",
			Meaning: "--server asks a Modhaven for a report of its own doctor. Other module proxies have none, nor has a front before a Modhaven that lets only the paths of modules through.",
			Fixes:   []Remedy{{You, "give --server the address of the Modhaven itself", ""}, {Owner, "run the doctor on the machine of that server", "modhaven doctor"}},
		},
		{
			Code:    Speechless,
			Summary: "{url} did not say what it sees of its upstreams: {why}",
			Meaning: "The server was asked for a report of its own doctor, and none came that can be used.",
			Fixes:   []Remedy{{You, "ask again", ""}, {Owner, "see the log of the server, and run the doctor on its machine", "modhaven doctor"}},
		},
	}
}
