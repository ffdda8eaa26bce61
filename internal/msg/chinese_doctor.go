package msg

// chineseDoctor is the manual of the command doctor, and how its report is laid out.
func chineseDoctor() []entry {
	return []entry{
		{"say why module downloads fail, and what to do", "说明模块为何下载失败，以及该怎么办"},
		{`Walks every stage of a download that the settings of this machine lead to: the settings
			themselves, DNS, TCP, the HTTP proxy, TLS, HTTP, the module proxy's answers, the checksum
			database, and version control where modules come from there. It prints what is wrong,
			how it is known, who can mend it and how, and a table of the stages. It takes less than
			15 seconds whatever is broken, needs no privileges, and changes nothing.`,
			"逐一检查本机设置所涉及的下载各个阶段：设置本身、DNS、TCP、HTTP 代理、TLS、HTTP、模块代理的应答、校验和数据库，以及需要时的版本控制。它打印出了什么问题、如何得知、谁能修复、如何修复，以及各阶段的表格。无论什么坏了，用时都不超过 15 秒；不需要特权，也不做任何更改。"},
		{`With MODULE the files of that module are asked for, at VERSION or the latest; else those of
			a well-known public module. A module that GONOPROXY or GOPRIVATE matches is asked of its own
			host only.`,
			"给出 MODULE 时请求该模块的文件，版本为 VERSION 或最新版；否则请求一个众所周知的公共模块。与 GONOPROXY 或 GOPRIVATE 匹配的模块只向其自己的主机请求。"},
		{`A finding is certain where a probe has excluded what looks the same; else it says what that
			is, and what would tell it apart. Each finding has a code, which doctor explain explains.`,
			"只有当探测排除了看起来相同的其他原因时，结论才是“确定”；否则会说明还可能是什么，以及如何区分。每个结论都有代码，可用 doctor explain 查看说明。"},
		{"As the go command reads them, with what go env -w has set", "与 go 命令的读取方式相同，包括 go env -w 设置的值"},
		{"As the go command heeds them", "与 go 命令的处理方式相同"},
		{"No colours on a terminal, where it is not empty", "不为空时，终端上不使用颜色"},
		{"the doctor itself failed; the reason is on standard error", "诊断本身失败；原因见标准错误"},
		{"downloads work, and something is not as it should be", "可以下载，但有些地方不正常"},
		{"config: a setting of this machine", "config：本机的设置"},
		{"local: this machine's disk, clock, routes or certificates", "local：本机的磁盘、时钟、路由或证书"},
		{"dns: a name has no right address", "dns：名称没有正确的地址"},
		{"firewall: something does not let packets through", "firewall：有东西不让数据包通过"},
		{"path: routes, packet sizes or loss", "path：路由、数据包大小或丢包"},
		{"port-mapping: the port leads to the wrong place", "port-mapping：端口通向了错误的地方"},
		{"http-proxy: the proxy of HTTPS_PROXY or HTTP_PROXY", "http-proxy：HTTPS_PROXY 或 HTTP_PROXY 的代理"},
		{"tls: a handshake or a certificate", "tls：握手或证书"},
		{"origin-down: the server is not there", "origin-down：服务器不在"},
		{"origin-sick: the server does not do its work", "origin-sick：服务器工作不正常"},
		{"content: an answer is not the file", "content：应答不是所要的文件"},
		{"checksum: the checksum database, or a file that is not what it knows", "checksum：校验和数据库，或文件与其记录不符"},
		{"not-found: there is no such module or version", "not-found：没有这个模块或版本"},
		{"auth: a credential is missing or wrong", "auth：缺少凭据或凭据有误"},
		{"Print the report in JSON: docs/doctor.schema.json", "以 JSON 打印报告：docs/doctor.schema.json"},
		{"Print what each probe showed", "打印每个探测的结果"},
		{"Is all well?", "一切正常吗？"},
		{"What does this code mean?", "这个代码是什么意思？"},
		{"explain a code of the doctor", "解释诊断代码"},
		{"Prints what a finding means, how it is known, and what can be done. Nothing is probed.", "打印结论的含义、如何得知，以及能做什么。不做任何探测。"},
		{"%s: there is no such code; codes are MH and four digits", "%s：没有这个代码；代码由 MH 和四位数字组成"},
		{"What to do:", "该怎么办："},
		{"What looks the same, and what tells it apart:", "看起来相同的情况，以及如何区分："},
		{"your network team", "网络管理员"},
		{"the service's owner", "服务的负责人"},
		{"you", "您"},
		{"certain", "确定"},
		{"likely", "很可能"},
		{"possible", "可能"},
		{"or %s: %s", "或者 %s：%s"},
		{"took %s", "用时 %s"},
		{"took %s; more: %s", "用时 %s；详情：%s"},
		{"doctor: %s", "诊断：%s"},
		{"Ask the doctor why, when CMD fails and downloads did too", "当 CMD 失败且有下载失败时，诊断原因"},
	}
}
