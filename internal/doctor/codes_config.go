package doctor

// configCodes are about settings: no packet leaves for most of them.
func configCodes() []Entry {
	return []Entry{
		{
			Code:    "MH1001",
			Summary: "GOPROXY=off forbids every download",
			Meaning: "The go command asks nobody for a module while GOPROXY is off, and says \"module lookup disabled by GOPROXY=off\".",
			Fixes:   []Remedy{{You, "use the default again", "go env -u GOPROXY"}, {You, "if {from} sets it, take it out there", ""}},
		},
		{
			Code:    "MH1002",
			Summary: "GOPROXY cannot be read: {why}",
			Meaning: "An entry of GOPROXY must be an address with https, http or file, or the word direct or off. The go command stops at the first that is neither.",
			Fixes:   []Remedy{{You, "correct it; {from} sets it", "go env -w GOPROXY=https://proxy.golang.org,direct"}},
		},
		{
			Code:    "MH1003",
			Summary: "{entry} fails, and the comma after it keeps the go command from asking the next entry of GOPROXY",
			Meaning: "After a comma the next entry is asked only where the one before it said 404 or 410. After | it is asked after any failure.",
			Fixes:   []Remedy{{You, "separate the entries with |", "go env -w GOPROXY='{better}'"}},
		},
		{
			Code:    "MH1004",
			Summary: "{entry} has no copy of the checksum database {db}, so it does not stand in for the entry before it",
			Meaning: "When the first entry of GOPROXY is down, the go command also asks for the checksum database there, and the failure counts for more than the next entry's 404. Modules then come from the next entry, and their verification fails. A list that ends in direct asks the database itself.",
			Fixes:   []Remedy{{You, "end the list in direct", "go env -w GOPROXY='{better}'"}, {Owner, "have {entry} answer for the checksum database below /sumdb/", ""}},
		},
		{
			Code:    "MH1005",
			Summary: "the go command uses the vendor directory and it does not agree with go.mod: {why}",
			Meaning: "With -mod=vendor (set in GOFLAGS, or by default where there is a vendor directory) the go command downloads nothing, and fails where vendor/modules.txt lacks what go.mod requires.",
			Fixes:   []Remedy{{You, "write the vendor directory again", "go mod vendor"}, {You, "or do not use it", "go env -u GOFLAGS"}},
		},
		{
			Code:    "MH1006",
			Summary: "GOSUMDB cannot be read: {why}",
			Meaning: "GOSUMDB is off, a known name, or a verifier key NAME+HASH+KEY, and may have an address after it. The go command fails at the first module that it wants to verify.",
			Fixes:   []Remedy{{You, "use the default again", "go env -u GOSUMDB"}, {You, "or set the key that the database's owner gives out; {from} sets this one", ""}},
		},
		{
			Code:    "MH1007",
			Summary: "GOSUMDB has the key of gosum.io that circulates in articles, which does not work",
			Meaning: "A key of gosum.io has been copied from page to page for years. The go command fails with \"invalid GOSUMDB\" at the first module that it wants to verify, or asks a database that nobody runs.",
			Fixes:   []Remedy{{You, "use the default again", "go env -u GOSUMDB"}, {You, "in mainland China", "go env -w GOSUMDB=sum.golang.google.cn"}},
		},
		{
			Code:    "MH1008",
			Summary: "GOPROXY names {host}, which no longer is a module proxy",
			Meaning: "The service was ended by its owner. Its name may answer with a page, with nothing, or belong to somebody else.",
			Fixes:   []Remedy{{You, "take it out of GOPROXY", "go env -w GOPROXY='{better}'"}},
		},
		{
			Code:    "MH1009",
			Summary: "{name} is not an address that can be used as an HTTP proxy: {why}",
			Meaning: "The go command reads HTTPS_PROXY and HTTP_PROXY as an address such as http://proxy.corp.example:3128, and fails every request where it cannot.",
			Fixes:   []Remedy{{You, "correct it", "export {name}=http://HOST:PORT"}},
		},
		{
			Code:    "MH1010",
			Summary: "{host} is asked directly and is silent, though HTTPS_PROXY is set: NO_PROXY excepts it",
			Meaning: "A pattern of NO_PROXY matches the host, so the go command does not use the HTTP proxy for it. Where a network lets requests out only by the proxy, that ends in a timeout.",
			Fixes:   []Remedy{{You, "take the pattern out of NO_PROXY ({value})", ""}},
			Or:      []Other{{Firewall, "ask {host} through the proxy: curl -x \"$HTTPS_PROXY\" {url}; where that fails too, NO_PROXY is not the cause"}},
		},
		{
			Code:    "MH1011",
			Summary: "{url} is plain HTTP, and {addr} speaks TLS",
			Meaning: "The server answers a plain request with an error, since it waits for TLS on this port.",
			Fixes:   []Remedy{{You, "write https:// in GOPROXY", "go env -w GOPROXY='{better}'"}},
		},
		{
			Code:    "MH1012",
			Summary: "{module} comes from {entry} and the checksum database {db} does not know it: it seems to be private",
			Meaning: "The database can see public modules alone. The go command asks it about every module that does not match GOPRIVATE or GONOSUMDB, which also tells it the name.",
			Fixes:   []Remedy{{You, "say that these modules are private", "go env -w GOPRIVATE={pattern}"}, {You, "where the proxy serves them, keep asking it", "go env -w GONOPROXY=none"}},
			Or:      []Other{{Checksum, "if the module is public, look at https://{db}/lookup/{module} for why the database cannot see it"}},
		},
		{
			Code:    "MH1013",
			Summary: "GOSUMDB=off: public modules are not verified when they are first downloaded",
			Meaning: "Without the checksum database nothing tells whether a proxy or the network changed a module that go.sum does not list yet.",
			Fixes:   []Remedy{{You, "use the checksum database, and name private modules in GOPRIVATE", "go env -u GOSUMDB"}},
		},
		{
			Code:    "MH1014",
			Summary: "{entry} has a password in it and is plain HTTP: everybody on the way can read it",
			Meaning: "A user and password in an http:// address are sent as they are.",
			Fixes:   []Remedy{{You, "use https://, and keep the password in netrc", ""}},
		},
		{
			Code:    "MH1015",
			Summary: "GOPROXY names a directory that is not there: {value}",
			Meaning: "A file:// entry must be a directory with the layout of the module cache's cache/download.",
			Fixes:   []Remedy{{You, "correct the directory, or take the entry out", ""}},
		},
		{
			Code:    "MH1016",
			Summary: "GONOSUMDB names {value} and GONOPROXY does not: the names of these modules still go to the proxies",
			Meaning: "GONOSUMDB only keeps them from the checksum database. That is right where your own proxy serves private modules.",
			Fixes:   []Remedy{{You, "if no proxy may hear of them", "go env -w GOPRIVATE={value}"}},
		},
		{
			Code:    "MH1017",
			Summary: "netrc has no password for {host}: its line for {netrc} is for another name",
			Meaning: "The go command compares the machine of netrc with the host and port of the address, whole.",
			Fixes:   []Remedy{{You, "write the name as it is in GOPROXY", "machine {host} login USER password TOKEN"}},
		},
	}
}

// localCodes are about this machine.
func localCodes() []Entry {
	return []Entry{
		{
			Code:    "MH1101",
			Summary: "the go command cannot be run: {why}",
			Meaning: "The settings are those of the go command in PATH, which was asked for them with \"go env -json\". The rest was probed with what could be read without it.",
			Fixes:   []Remedy{{You, "install Go, or put its bin directory into PATH", ""}},
		},
		{
			Code:    "MH1102",
			Summary: "{name} {value} cannot be written: {why}",
			Meaning: "What is downloaded is written there first. The go command reports this as an error of reading from the proxy.",
			Fixes:   []Remedy{{You, "let your user write there, or use another directory", "go env -w {name}=DIR"}},
		},
		{
			Code:    "MH1103",
			Summary: "the disk of {name} {value} is full: {free} are left",
			Meaning: "The go command reports \"no space left on device\" as an error of reading from the proxy.",
			Fixes:   []Remedy{{You, "free space, for example from the build cache", "go clean -cache"}, {You, "or use another disk", "go env -w {name}=DIR"}},
		},
		{
			Code:    "MH1104",
			Summary: "this machine has no list of certificate authorities, so no https server can be verified",
			Meaning: "Small container images often lack it. Every host then fails with \"certificate signed by unknown authority\".",
			Fixes:   []Remedy{{You, "install it", "apt-get install -y ca-certificates"}, {You, "on Alpine", "apk add ca-certificates"}},
		},
		{
			Code:    "MH1105",
			Summary: "this machine has no route to {ip}: {why}",
			Meaning: "The kernel refused the connection at once, and no packet left.",
			Fixes:   []Remedy{{You, "look at the routes; a default route may be missing, or a VPN be down", "ip route get {ip}"}},
		},
		{
			Code:    "MH1106",
			Summary: "the clock of this machine is wrong by {took}",
			Meaning: "Certificates seem expired, or not yet valid, though they are right: what other servers say of the time differs from this machine's clock.",
			Fixes:   []Remedy{{You, "set the clock, and have it kept", "timedatectl set-ntp true"}},
		},
		{
			Code:    "MH1107",
			Summary: "{name} is needed to fetch from version control and is not installed",
			Meaning: "GOPROXY=direct, and modules that match GONOPROXY, are fetched by running it.",
			Fixes:   []Remedy{{You, "install it", "apt-get install -y {name}"}, {You, "or have a module proxy fetch", "go env -u GOPROXY"}},
		},
	}
}

// dnsCodes are about names.
func dnsCodes() []Entry {
	return []Entry{
		{
			Code:    "MH1201",
			Summary: "there is no host {host}, says DNS server {resolver}",
			Meaning: "The answer was NXDOMAIN: the server works, and the name does not exist for it.",
			Fixes:   []Remedy{{You, "check the spelling of {host} in GOPROXY", "go env GOPROXY"}, {You, "if only the company's network knows it, connect to that (VPN)", ""}},
		},
		{
			Code:    "MH1202",
			Summary: "{host} exists and has no address, says DNS server {resolver}",
			Meaning: "The name is known and has neither an A nor an AAAA record. Go's error is the same as for a name that does not exist.",
			Fixes:   []Remedy{{Owner, "add an A or AAAA record for {host}", ""}, {You, "check the spelling; a domain may be named in place of a host", ""}},
		},
		{
			Code:    "MH1203",
			Summary: "DNS server {resolver} cannot find out about {host} (SERVFAIL)",
			Meaning: "The server is there and failed to get an answer: it cannot reach the name's own servers, or what they say is not validly signed.",
			Fixes:   []Remedy{{Network, "mend the DNS server {resolver}, or what it asks", "dig @{resolver} {host}"}, {You, "use another DNS server until then", ""}},
		},
		{
			Code:    "MH1204",
			Summary: "DNS server {resolver} refuses to answer this machine ({status})",
			Meaning: "The server is there and does not answer questions from here. It is mostly one that answers for its own network only.",
			Fixes:   []Remedy{{You, "use the DNS server of the network that this machine is in (/etc/resolv.conf)", ""}, {Network, "let {resolver} answer this machine", ""}},
		},
		{
			Code:    "MH1205",
			Summary: "DNS server {resolver} does not answer, over UDP or TCP",
			Meaning: "Questions to it stayed without an answer. Go waits 10 seconds for each host then.",
			Fixes:   []Remedy{{You, "check the DNS servers of this machine; a VPN may have left one behind", "cat /etc/resolv.conf"}, {Network, "let this machine reach {resolver}, port 53, over UDP and TCP", ""}},
			Or:      []Other{{Firewall, "ask from another machine of this network: if {resolver} answers there, something drops the questions of this one"}},
		},
		{
			Code:    "MH1206",
			Summary: "nothing answers for DNS on {resolver}: its port 53 is closed",
			Meaning: "The address itself refused the question. The machine is there, and no DNS server runs on it.",
			Fixes:   []Remedy{{You, "check the DNS servers of this machine; a local one may have stopped", "cat /etc/resolv.conf"}, {Owner, "start the DNS server on {resolver}", ""}},
		},
		{
			Code:    "MH1207",
			Summary: "DNS server {resolver} answers over TCP only: questions over UDP get lost",
			Meaning: "The server works; a firewall drops UDP to port 53, or the server does not listen on it.",
			Fixes:   []Remedy{{Network, "let UDP to {resolver}:53 through, and the answers back", ""}, {You, "until then have questions asked over TCP", "echo 'options use-vc' >> /etc/resolv.conf"}},
		},
		{
			Code:    "MH1208",
			Summary: "the answer of DNS server {resolver} for {host} is too long for UDP, and it does not answer over TCP",
			Meaning: "The answer came cut off, with a mark that the rest is to be asked for over TCP, and TCP to port 53 fails.",
			Fixes:   []Remedy{{Network, "let TCP to {resolver}:53 through", ""}},
		},
		{
			Code:    "MH1209",
			Summary: "DNS leads {host} to {ip}, which is no address of a server on the internet: the name is blocked",
			Meaning: "Filters answer with such an address for names that they block, and a connection to it ends on this machine or nowhere.",
			Fixes:   []Remedy{{Network, "except {host} from the DNS filter on {resolver}", ""}},
			Or:      []Other{{DNS, "if {host} is meant to be on this machine, its server does not run"}},
		},
		{
			Code:    "MH1210",
			Summary: "DNS servers disagree about {host}: {resolver} says {value}, {other} says {otherwise}",
			Meaning: "The go command uses the answer of the first one. One of them may be a filter, be out of date, or know only another network.",
			Fixes:   []Remedy{{You, "put the DNS server that is right first, or leave the other out", "cat /etc/resolv.conf"}},
		},
		{
			Code:    "MH1211",
			Summary: "DNS server {resolver} does not answer for the IPv6 address of {host}: each look-up takes seconds longer",
			Meaning: "A and AAAA records are asked for together, and the go command waits for both.",
			Fixes:   []Remedy{{Network, "have {resolver} answer questions for AAAA records, with none if there is none", "dig @{resolver} AAAA {host}"}},
		},
		{
			Code:    "MH1212",
			Summary: "DNS server {resolver} took {took} to answer",
			Meaning: "Each new host waits as long.",
			Fixes:   []Remedy{{You, "use a nearer DNS server, or a local one that remembers answers", ""}},
		},
		{
			Code:    "MH1213",
			Summary: "what comes from DNS server {resolver} is not the answer to what was asked",
			Meaning: "Packets came with another id or question, or that are no DNS messages. The go command drops such and waits for 10 seconds. Something on the way answers in its place, or is broken.",
			Fixes:   []Remedy{{Network, "find what answers for {resolver}:53", "dig @{resolver} {host}"}},
		},
		{
			Code:    "MH1214",
			Summary: "the hosts file sends {host} to {ip}, and nothing works there",
			Meaning: "The hosts file goes before DNS.",
			Fixes:   []Remedy{{You, "take the line out of {file}", ""}},
		},
		{
			Code:    "MH1215",
			Summary: "DNS server {resolver}, one of {count}, does not answer: each look-up may wait 5 seconds for it",
			Meaning: "The others answer. The go command asks them in their order, and goes on after 5 seconds.",
			Fixes:   []Remedy{{You, "take {resolver} out of the DNS servers of this machine, or put it last", "cat /etc/resolv.conf"}},
		},
		{
			Code:    "MH1216",
			Summary: "{box} rejects questions to DNS server {resolver}",
			Meaning: "An ICMP message of another machine than the DNS server refused the packet: a firewall or router on the way.",
			Fixes:   []Remedy{{Network, "let UDP and TCP to {resolver}:53 through on {box}", ""}},
		},
		{
			Code:    "MH1217",
			Summary: "a firewall of this machine forbids questions to DNS server {resolver}",
			Meaning: "The kernel refused to send the packet (EPERM), which only a rule of this machine does.",
			Fixes:   []Remedy{{You, "let UDP and TCP to port 53 out", "nft list ruleset"}},
		},
	}
}
