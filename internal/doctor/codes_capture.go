package doctor

// captureCodes are what only a capture shows, or a capture is what shows it first. They are of the classes that their numbers say.
func captureCodes() []Entry {
	return []Entry{
		{
			Code:    codeUnread,
			Summary: "the capture {file} was not read to its end: {why}",
			Meaning: "What stands before that place was read and judged. What came later is not known.",
			Fixes:   []Remedy{{You, "record it again, and stop tcpdump with Ctrl-C so that it writes what it has", "tcpdump -i any -s 0 -w {file}"}},
		},
		{
			Code:    codeNothing,
			Summary: "the capture has no connection and no look-up that could be judged",
			Meaning: "It is empty, or what was recorded is something else: another interface, or a filter that matches nothing.",
			Fixes:   []Remedy{{You, "record while a download fails", "tcpdump -i any -s 0 -w FILE 'port 53 or port 443'"}},
		},
		{
			Code:    "MH1108",
			Summary: "the client does not take what {host} sends: its program does not read",
			Meaning: "The client's machine said that it has no room for more (a receive window of zero), so the server had to wait. The program there is stuck, or what it writes to is: a full disk, a slow pipe, too little processor time.",
			Fixes:   []Remedy{{You, "see what the program waits for, and whether its disk keeps up", "ss -tnpi dst {ip}"}},
		},
		{
			Code:    "MH1313",
			Summary: "connections to {addr} arrive at the server's machine, and it does not answer",
			Meaning: "The capture of the server's side has the first packet of the connection, and no answer to it, neither to accept nor to refuse.",
			Fixes:   []Remedy{{Owner, "see whether a rule of the server's own firewall drops them", "iptables -S INPUT"}, {Owner, "see whether the program takes connections: a full queue has Recv-Q above Send-Q", "ss -ltn 'sport = :{port}'"}},
			Or:      []Other{{OriginSick, "on the server: ss -ltn 'sport = :{port}' shows a full queue (Recv-Q above Send-Q) where the program takes no connections"}},
		},
		{
			Code:    "MH1314",
			Summary: "the answers of {addr} do not arrive at the client: they are dropped on the way back",
			Meaning: "The server's machine answered the first packet of the connection, several times, and the client's answer to that never came.",
			Fixes:   []Remedy{{Network, "let TCP from {ip} port {port} back to the client through; where the two ways differ, a firewall that has seen one of them only drops", ""}},
			Or:      []Other{{Path, "a capture on the client shows whether the answers arrive there and are not taken"}},
		},
		{
			Code:    "MH1315",
			Summary: "packets to {addr} do not arrive at the server: they are dropped on the way",
			Meaning: "The client's capture has them, and the server's, of the same time, has not.",
			Fixes:   []Remedy{{Network, "let TCP to {ip} port {port} through: look at the firewalls between the two places where was recorded", ""}},
			Or:      []Other{{PortMapping, "where {ip} is not the machine that was recorded on, packets may have gone to another one"}},
		},
		{
			Code:    "MH1316",
			Summary: "something on the way cuts open connections to {host}",
			Meaning: "A reset came in the server's name that the server did not send: it has come over another number of routers than the server's packets, or the server's capture has it not.",
			Fixes:   []Remedy{{Network, "find the device that resets connections to {ip} port {port}: a filter, or one that has forgotten the connection", ""}},
			Or:      []Other{{OriginSick, "a capture on the server shows whether it sent the reset itself"}},
		},
		{
			Code:    "MH1713",
			Summary: "the client broke off the TLS handshake with {host} when it had the server's certificate",
			Meaning: "The client does not accept the certificate. Which one it was, and why, is encrypted in TLS 1.3 and not in the capture: an authority that this machine does not know, a name or a time that does not fit, or TLS that is intercepted.",
			Fixes:   []Remedy{{You, "have the doctor look at the certificate from the client's machine", "modhaven doctor"}},
		},
	}
}

const (
	codeUnread  Code = "MH0302"
	codeNothing Code = "MH0303"
)
