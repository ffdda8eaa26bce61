package msg

type entry struct{ english, chinese string }

// chinese is the catalogue: every message that a person reads, in Simplified Chinese. A
// translation has the verbs of the English text; in another order they are indexed. How
// an English text is broken into lines does not count where it has no verbs.
func chinese() []entry {
	var all []entry
	for _, part := range [][]entry{chineseCommands(), chineseManual(), chineseSettings(), chineseProblems(), chineseRunning(), chineseExec(), chineseStatus(), chineseLedger(), chineseSumdb(), chineseVerify(), chineseExplain(), chineseToken(), chineseDoctor(), chineseCapture(), chineseListen(), chineseDoctorTexts()} {
		all = append(all, part...)
	}
	return all
}

// chineseCommands is about the commands and how they are called.
func chineseCommands() []entry {
	return []entry{
		{"a Go module proxy", "Go 模块代理"},
		{"run a module proxy", "运行模块代理"},
		{"show and check the configuration", "显示和检查配置"},
		{"print the effective configuration", "打印生效的配置"},
		{"check a configuration file", "检查配置文件"},
		{"ask the server on this machine whether it is alive", "询问本机的服务器是否存活"},
		{"wait until a server is ready", "等待服务器就绪"},
		{"show how a server and its upstreams are", "显示服务器及其上游的状态"},
		{"print the version", "打印版本"},
		{"print the manual of a command", "打印命令的手册"},
		{"print the completion script of a shell", "打印 shell 的补全脚本"},

		{"SYNOPSIS", "用法"},
		{"DESCRIPTION", "说明"},
		{"COMMANDS", "命令"},
		{"OPTIONS", "选项"},
		{"ENVIRONMENT", "环境变量"},
		{"EXIT STATUS", "退出状态"},
		{"EXAMPLES", "示例"},
		{"More of each: %s", "各命令的详情：%s"},
		{"%s (default %s)", "%s（默认 %s）"},
		{"%s; one of: %s", "%s；可用的值：%s"},

		{"done", "完成"},
		{"it failed; the reason is on standard error", "失败；原因见标准错误"},
		{"wrong use", "用法错误"},
		{"wrong use, or a wrong configuration", "用法错误，或配置错误"},
		{"ended by a signal, everything finished", "因信号结束，且一切已完成"},
		{"could not start, or could not go on", "无法启动，或无法继续"},
		{"the file is good", "文件正确"},
		{"the file is bad or cannot be read, or wrong use", "文件有错或无法读取，或用法错误"},
		{"the server is alive", "服务器存活"},
		{"it is not, or anything else is wrong; other statuses are not used here", "未存活，或有其他错误；此命令不使用别的状态"},
		{"the server is ready", "服务器已就绪"},
		{"all is well", "一切正常"},
		{"no status could be had; the reason is on standard error", "无法取得状态；原因见标准错误"},
		{"the server works, and some group of its upstreams has none that does", "服务器正常，但有一组上游全部不可用"},
		{"it was not ready in time; the last reason is on standard error", "未能及时就绪；最后的原因见标准错误"},

		{"see: %s", "参见：%s"},
		{"warning: %s", "警告：%s"},
		{"%s is missing", "缺少 %s"},
		{"%s: one argument too many", "%s：多余的参数"},
		{"%s: there is no such command; is %s meant?", "%s：没有这个命令；是否指 %s？"},
		{"%s: there is no such command; the commands are %s", "%s：没有这个命令；命令有 %s"},
		{"--%s: there is no such flag; is --%s meant?", "--%s：没有这个选项；是否指 --%s？"},
		{"--%s: there is no such flag", "--%s：没有这个选项"},
		{"-%s: there is no such flag", "-%s：没有这个选项"},
		{"--%s needs a value: %s", "--%s 需要一个值：%s"},
		{"--%s: %q is no %s", "--%s：%q 不是 %s"},
		{"%s: there is no completion for it; there is one for %s", "%s：没有它的补全；支持的有 %s"},
		{"%q is not the URL of a server, such as http://127.0.0.1:3000", "%q 不是服务器的 URL，例如 http://127.0.0.1:3000"},
	}
}

// chineseManual is the text of the manuals, paragraph by paragraph.
func chineseManual() []entry {
	return []entry{
		{`Modhaven keeps Go builds downloading when the network does not. It is a module
			proxy server (serve), and a proxy around one command (exec).`,
			`网络不畅时，Modhaven 让 Go 构建仍能下载。它既是模块代理服务器（serve），也是围绕单个命令的代理（exec）。`},
		{"Run a module proxy, and use it in another terminal", "运行模块代理，并在另一个终端中使用"},
		{"Run one command behind a proxy of its own", "让一个命令在它自己的代理之后运行"},

		{`Serves Go modules at an address, fetching what it does not have from its upstreams
			and keeping it. Without any option it listens on 127.0.0.1:3000, keeps its state in
			the user's cache directory and fetches through the GOPROXY of this machine.`,
			`在一个地址上提供 Go 模块；没有的从上游获取并保存。不带任何选项时，它监听 127.0.0.1:3000，状态存放在用户的缓存目录中，并通过本机的 GOPROXY 获取。`},
		{"The line to paste into a client's shell is printed when the server is ready.", "服务器就绪时，会打印可粘贴到客户端 shell 的那一行。"},
		{`It ends on SIGTERM or an interrupt: new connections are refused at once, running
			answers and downloads may finish within the time of --drain. A second signal ends it
			immediately.`,
			`收到 SIGTERM 或中断时结束：立即拒绝新连接，正在进行的应答和下载可在 --drain 的时间内完成。第二个信号使它立即结束。`},
		{"All options in full, and the file: docs/configuration.md.", "全部选项的完整说明以及配置文件：docs/configuration.md。"},
		{"Run with the settings of this machine", "使用本机的设置运行"},
		{"Fetch through the public proxies that serve mainland China", "通过服务中国大陆的公共代理获取"},
		{"Serve a company, whose own proxy comes first", "为公司服务，公司自己的代理在先"},

		{"Shows what the settings come to, and checks a file before it is used. All settings: docs/configuration.md.",
			"显示各项设置的最终结果，并在使用之前检查配置文件。全部设置：docs/configuration.md。"},
		{`Prints every setting with the value that serve would use when it were called with the
			same options, and with where the value came from. The output is a configuration file.
			Users and passwords in addresses are masked.`,
			`打印每项设置、以相同选项运行 serve 时会用的值，以及该值的来源。输出本身就是一个配置文件。地址中的用户名和密码会被遮盖。`},
		{"See what a file and the environment come to", "查看配置文件与环境变量的最终结果"},
		{"Begin a file", "开始编写配置文件"},
		{`Checks a file alone: flags, variables of the environment and the settings of this
			machine's go command do not count. Everything that is wrong is reported, each with its
			line. Warnings do not make a file bad. Whether files that it names exist and addresses
			answer is not looked at.`,
			`只检查文件本身：选项、环境变量和本机 go 命令的设置都不计入。所有错误都会报告，各带行号。警告不算错误。不检查其中所写的文件是否存在、地址是否应答。`},
		{"Before a restart", "重启之前"},

		{`Asks /healthz of the server that is configured on this machine, for the health check
			of a container. Given the same file and environment as serve it finds the address by
			itself. The certificate is not verified, since it belongs to another name.`,
			`询问本机所配置的服务器的 /healthz，用于容器的健康检查。配置文件和环境变量与 serve 相同时，它能自行找到地址。不验证证书，因为证书属于别的名称。`},
		{"Only whether the process answers is asked; use wait to know whether it is ready.", "这里只问进程是否应答；要知道是否就绪，请用 wait。"},
		{"How long to wait for the answer", "等待应答的时间"},
		{"In a Dockerfile", "在 Dockerfile 中"},

		{`Asks /readyz of the server at URL again and again until it answers 200, for scripts
			that start a server and go on when it can be used. http:// may be left out. It connects
			straight: HTTP_PROXY and its like do not count.`,
			`反复询问 URL 处服务器的 /readyz，直到应答 200，供先启动服务器、待可用后再继续的脚本使用。http:// 可以省略。它直接连接：HTTP_PROXY 等变量不起作用。`},
		{"How long to wait in all", "总共等待的时间"},
		{"In a script", "在脚本中"},

		{"Prints the version, the commit it was built from, the version of Go and the platform.", "打印版本、构建所用的提交、Go 的版本和平台。"},
		{`As JSON it is an object with the strings version, commit, time (of the commit), go and
			platform, and the boolean modified. What is not known is left out.`,
			`JSON 形式是一个对象，含字符串 version、commit、time（提交的时间）、go 和 platform，以及布尔值 modified。未知的项会省略。`},
		{"Print a JSON object", "打印 JSON 对象"},
		{"For a script", "供脚本使用"},
		{"Print the version and end", "打印版本并结束"},
		{"Print this help and end", "打印本帮助并结束"},

		{"Prints the manual of a command; without one, the list of commands. It is the same as COMMAND --help.",
			"打印命令的手册；不指明命令时打印命令列表。与 COMMAND --help 相同。"},
		{"The manual of the server", "服务器的手册"},
		{`Prints a script that teaches a shell to complete the commands, options and values
			of modhaven.`,
			`打印一个脚本，使 shell 能补全 modhaven 的命令、选项和值。`},
		{"In ~/.bashrc (with the package bash-completion)", "在 ~/.bashrc 中（需要软件包 bash-completion）"},
		{"In ~/.zshrc", "在 ~/.zshrc 中"},
		{"For fish, once", "对 fish，只需一次"},
		{"In the PowerShell profile", "在 PowerShell 的配置文件中"},

		{"The YAML file with settings, where --config is not given", "含设置的 YAML 文件，用于没有给出 --config 时"},
		{"Every option above in capitals, with _ for -, such as MODHAVEN_LOG_LEVEL. An option goes before its variable, that before the file",
			"以上每个选项的大写形式，用 _ 代替 -，例如 MODHAVEN_LOG_LEVEL。选项先于变量，变量先于配置文件"},
		{"Where the go command's own settings are found, which stand in for --upstreams and --sumdb where these are not given",
			"由此找到 go 命令自己的设置；没有给出 --upstreams 和 --sumdb 时以它们代替"},
		{"The language of messages: English or Simplified Chinese", "消息的语言：英文或简体中文"},
	}
}

// chineseSettings is the first sentence of each key's manual.
func chineseSettings() []entry {
	return []entry{
		{"The YAML file with settings; else the one that MODHAVEN_CONFIG names", "含设置的 YAML 文件；否则用 MODHAVEN_CONFIG 所指的文件"},
		{"The address to listen on, HOST:PORT", "监听的地址，HOST:PORT"},
		{"The directory that holds all state: modules, lists, checksums and the files being downloaded", "存放全部状态的目录：模块、列表、校验和以及正在下载的文件"},
		{"Where modules come from: a list with the syntax and the meaning of GOPROXY", "模块的来源：一个列表，语法和含义与 GOPROXY 相同"},
		{"The checksum database to serve and to ask, with the syntax of GOSUMDB", "所提供和查询的校验和数据库，语法与 GOSUMDB 相同"},
		{"Where modules of some paths come from, in place of `upstreams`", "某些路径的模块从哪里获取，代替 `upstreams`"},
		{"What happens to a module whose host looks internal and that no rule covers", "主机看起来是内部的、且没有规则涵盖的模块如何处理"},
		{"The domains of the organisation, with commas between, as corp.example", "本组织的域名，以逗号分隔，例如 corp.example"},
		{"%q is not PATTERNS LIST or PATTERNS LIST public, such as `git.corp.example/* direct`", "%q 不是“模式 列表”或“模式 列表 public”的形式，例如 `git.corp.example/* direct`"},
		{"the line of %s, for all other modules, has that pattern and a list alone", "%s 这一行用于其余所有模块，只能有这个模式和一个列表"},
		{"the list for all other modules stands twice; it is upstreams, or one line that begins with %s", "其余模块的列表出现了两次；它应是 upstreams，或以 %s 开头的一行"},
		{"%s and %s may match the same module, and neither is more specific; write one of them more exactly", "%s 和 %s 可能匹配同一个模块，且没有哪个更具体；请把其中一个写得更确切"},
		{"%q is no domain; one looks like corp.example", "%q 不是域名；域名形如 corp.example"},
		{"Patterns of module paths that are private, with the syntax of GOPRIVATE", "私有模块路径的模式，语法与 GOPRIVATE 相同"},
		{"What a `,` in `upstreams` means for modules that match no private pattern", "对不匹配任何私有模式的模块，`upstreams` 中的 `,` 是什么含义"},
		{"Who may ask", "谁可以访问"},
		{"modhaven in the user's cache directory", "用户缓存目录中的 modhaven"},
		{"the GOPROXY of this machine", "本机的 GOPROXY"},
		{"the GOSUMDB of this machine", "本机的 GOSUMDB"},
		{"the system's", "系统所用的"},
		{"nowhere", "不发送"},
		{"off", "关闭"},
		{"Options of single upstreams, one upstream a line", "各个上游的选项，每行一个上游"},
		{"The netrc file with users and passwords (or tokens) for `direct`: for git over HTTPS and for the pages that say where a module's repository is", "供 `direct` 使用的 netrc 文件，含用户名和密码（或令牌）：用于经 HTTPS 的 git，以及说明模块仓库所在位置的页面"},
		{"The git configuration for `direct`, in place of the user's: credential helpers, headers, certificates, an `insteadOf` that has hosts fetched by SSH", "供 `direct` 使用的 git 配置，取代用户自己的配置：凭据助手、请求头、证书、改用 SSH 获取某些主机的 `insteadOf`"},
		{"Credentials for `direct`, one host a line: the host, with its port where that is not 443, and options NAME=VALUE", "供 `direct` 使用的凭据，每行一个主机：主机名（端口不是 443 时带上端口）以及选项 NAME=VALUE"},
		{"Hosts for which certificates are got by ACME (RFC 8555), and options", "通过 ACME（RFC 8555）获取证书的主机，以及选项"},
		{"Whether to answer over TLS with a certificate of an authority of one's own", "是否用自己的证书颁发机构签发的证书经 TLS 应答"},
		{"A set of defaults for a kind of use", "针对某种用途的一组默认值"},
		{"Whether nothing but what is stored is served", "是否只提供已存储的内容"},
		{"Who may read which modules, one rule a line: a group, patterns with the syntax of GOPRIVATE, and `hide` where others are told that there is no such module", "谁可以读取哪些模块，每行一条规则：一个组、语法与 GOPRIVATE 相同的模式，以及可选的 `hide`（对其他人表示没有这样的模块）"},
		{"How many requests an identity, or an address without one, may make: as `50/s` or `600/m burst 5000`", "一个身份（或没有身份的地址）可以发出多少请求：如 `50/s` 或 `600/m burst 5000`"},
		{"Whether another server in front of this one ends TLS, so that credentials may come in without it", "是否由前面的另一台服务器终止 TLS，从而凭据可以不经 TLS 到达这里"},
		{"no limit", "不限制"},
		{"The file with the certificate chain, in PEM, to answer over TLS", "用于 TLS 应答的证书链文件，PEM 格式"},
		{"The file with the private key, in PEM, that belongs to `tls_cert`", "与 `tls_cert` 对应的私钥文件，PEM 格式"},
		{"How long lists of versions and @latest are answered without asking upstream again", "版本列表和 @latest 在多长时间内不必再问上游"},
		{"How long a request waits for upstream when there is an older answer", "已有较旧的应答时，请求等待上游的时间"},
		{"Whether files are fetched before they are asked for, as the go command goes through a module's requirements", "是否按 go 命令遍历模块依赖的方式，在被请求之前预先下载文件"},
		{"How often lists of versions and @latest that are in use are asked again in the background", "正在使用的版本列表和 @latest 每隔多久在后台重新询问"},
		{"How long a request may wait for an upstream to come back, counted from the start of the outage",
			"请求最多等待上游恢复多久，从故障开始时算起"},
		{"How many files are fetched from upstream at once", "同时从上游获取的文件数"},
		{"How long a download may stand still", "下载可以停滞的时间"},
		{"How much memory keeps small files at hand", "用于缓存小文件的内存"},
		{"How many connections from clients are open at once", "同时打开的客户端连接数"},
		{"How long the end is held back after SIGTERM or an interrupt", "收到 SIGTERM 或中断后，推迟结束的时间"},
		{"The DNS servers to ask for the addresses of upstreams", "查询上游地址所用的 DNS 服务器"},
		{"Whether /metrics is served", "是否提供 /metrics"},
		{"Where traces and metrics are sent", "追踪和指标发往何处"},
		{"What share of the traces is kept, in percent", "保留多大比例的追踪，以百分比计"},
		{"The least severe events that are logged", "记入日志的最低级别"},
		{"The form of the log: lines for people or JSON for programs", "日志的格式：供人阅读的文本行，或供程序读取的 JSON"},
		{"The name of a checksum database of one's own to keep and to serve, as sum.corp.example", "由本服务器保存并提供的自有校验和数据库的名称，例如 sum.corp.example"},
		{"The file with the signer key of `sumdb_own`, which `modhaven sumdb key` makes", "`sumdb_own` 的签名密钥文件，由 `modhaven sumdb key` 生成"},
		{"What happens to a public module's file while the checksum database cannot be asked", "无法询问校验和数据库时如何处理公开模块的文件"},
		{"Modules that are not verified for a while, one exception a line: patterns with the syntax of GONOSUMDB, the last day of the exception (in UTC), and why", "暂时不做校验的模块，每行一个例外：GONOSUMDB 语法的模式、例外的最后一天（UTC）以及原因"},
		{"Whether each request is logged when it is answered, one line at level info", "是否在应答后记录每个请求，每个一行，级别为 info"},
	}
}

// chineseProblems is what is wrong with a configuration.
func chineseProblems() []entry {
	return []entry{
		{"%q is not PATTERNS DAY REASON, such as `example.com/moved 2026-12-31 the tag was moved`", "%q 不是“模式 日期 原因”，例如 `example.com/moved 2026-12-31 the tag was moved`"},
		{"%q is no pattern of module paths", "%q 不是模块路径的模式"},
		{"the configuration cannot be read: %s", "无法读取配置：%s"},
		{"the YAML cannot be read: %s", "无法读取 YAML：%s"},
		{"the file must have lines of the form KEY: VALUE", "文件必须由 KEY: VALUE 形式的行组成"},
		{"further mistakes are not listed", "其余错误不再列出"},
		{"a key is a plain word", "键必须是一个普通的词"},
		{"%s stands twice; it is in line %s already", "%s 出现了两次；第 %s 行已有"},
		{"the value must be a single one, without anchors or tags", "值必须是单个的，不带锚点或标签"},
		{"%q is not a key; is %s meant?", "%q 不是键；是否指 %s？"},
		{"%q is not a key; the keys are %s", "%q 不是键；键有 %s"},
		{"there is no such key; is %s meant?", "没有这个键；是否指 %s？"},
		{"there is no such key; the keys are %s", "没有这个键；键有 %s"},
		{"%s has a control character or is not UTF-8", "%s 含有控制字符，或不是 UTF-8"},
		{"%s is not allowed; it is one of: %s", "%s 不允许；可用的值：%s"},
		{"%s is not a whole number from %s to %s", "%s 不是从 %s 到 %s 的整数"},
		{"%s is not a duration; write a number and a unit (ms, s, m, h), such as 90s or 1m30s", "%s 不是时长；请写数字加单位（ms、s、m、h），例如 90s 或 1m30s"},
		{"%s is too little; the least is %s", "%s 太小；最小为 %s"},
		{"%s is not a size; write a whole number and a unit (B, KiB, MiB, GiB), such as 16MiB", "%s 不是大小；请写整数加单位（B、KiB、MiB、GiB），例如 16MiB"},
		{"%s begins with ~, which only a shell replaces; write the whole path", "%s 以 ~ 开头，只有 shell 才会替换它；请写完整路径"},
		{"%q is not HOST:PORT, such as 127.0.0.1:3000 or [::1]:3000", "%q 不是 HOST:PORT，例如 127.0.0.1:3000 或 [::1]:3000"},
		{"%q has no port from 0 to 65535, as in 127.0.0.1:3000", "%q 没有 0 到 65535 的端口，应如 127.0.0.1:3000"},
		{"%q has no address or name of this machine before the port, as in 127.0.0.1:3000", "%q 的端口之前不是本机的地址或名称，应如 127.0.0.1:3000"},
		{"a checksum database of one's own needs its signer key; make one with `modhaven sumdb key %s` and set sumdb_own_key to its file", "自有校验和数据库需要签名密钥；请用 `modhaven sumdb key %s` 生成，并将 sumdb_own_key 设为该文件"},
		{"a signer key needs the name of its checksum database; set sumdb_own too", "签名密钥需要其校验和数据库的名称；请同时设置 sumdb_own"},
		{"%s is the public checksum database that sumdb names; give your own another name", "%s 是 sumdb 所指的公共校验和数据库；请为自有数据库另取名称"},
		{"%q is no name of a checksum database; one looks like sum.corp.example", "%q 不是校验和数据库的名称；名称形如 sum.corp.example"},
		{`a double quote stands only around a whole value, as in token-command="/usr/bin/vault read git"`, `双引号只能包围整个值，例如 token-command="/usr/bin/vault read git"`},
		{"there is more than one source of certificates; set one of tls_cert, tls_acme and tls_self_signed", "证书的来源不止一个；请只设置 tls_cert、tls_acme 和 tls_self_signed 之一"},
		{"%q is no name of a host, such as go.corp.example; an authority of ACME knows no addresses and no names with *", "%q 不是主机名，例如 go.corp.example；ACME 颁发机构不认识 IP 地址，也不认识带 * 的名称"},
		{"%q is none of email=ADDRESS, directory=URL (https) and http=HOST:PORT", "%q 不是 email=ADDRESS、directory=URL（https）和 http=HOST:PORT 之一"},
		{"credentials would come over the network in the clear; set tls_cert and tls_key, tls_acme or tls_self_signed, or tls_elsewhere: on where another server ends TLS", "凭据会在网络上明文传输；请设置 tls_cert 和 tls_key、tls_acme 或 tls_self_signed；若由另一台服务器终止 TLS，请设置 tls_elsewhere: on"},
		{"rules need to know who asks; set auth", "规则需要知道是谁在请求；请设置 auth"},
		{"%s is reachable from other machines; say who may ask with `auth`, or write `auth: none` (flag --auth none, MODHAVEN_AUTH=none) if anyone may", "其他机器可以访问 %s；请用 `auth` 说明谁可以访问；若任何人都可以，请写 `auth: none`（标志 --auth none，MODHAVEN_AUTH=none）"},
		{"a certificate needs its private key; set tls_key too", "证书需要对应的私钥；请同时设置 tls_key"},
		{"a private key needs its certificate; set tls_cert too", "私钥需要对应的证书；请同时设置 tls_cert"},
		{"%s is this very server, which would ask itself without end", "%s 就是这个服务器自己，会无休止地询问自己"},
		{"GOPROXY of %s cannot be used: %s; set upstreams", "无法使用来自 %s 的 GOPROXY：%s；请设置 upstreams"},
		{"GOPROXY of %s cannot be read; in a user or a password everything but letters, digits, - . _ ~ is written as %%XX",
			"无法读取来自 %s 的 GOPROXY；用户名和密码中，除字母、数字、- . _ ~ 之外的字符都要写成 %%XX"},
		{"the user and the password are masked, as config print shows them; write the real ones", "用户名和密码是 config print 所显示的遮盖形式；请写真实的"},
		{"%q cannot be read; in a user or a password everything but letters, digits, - . _ ~ is written as %%XX",
			"无法读取 %q；用户名和密码中，除字母、数字、- . _ ~ 之外的字符都要写成 %%XX"},
		{"%s cannot be used: %s; set sumdb", "无法使用 %s：%s；请设置 sumdb"},
		{"there is no cache directory for this user (%s); set state to a directory", "该用户没有缓存目录（%s）；请将 state 设为一个目录"},
		{"%q cannot be made absolute: %s", "%q 无法成为绝对路径：%s"},
		{"%q is not HOST or HOST:PORT, such as 192.0.2.53 or [2001:db8::53]:53", "%q 不是 HOST 或 HOST:PORT，例如 192.0.2.53 或 [2001:db8::53]:53"},
		{"%q is not an address that begins with http:// or https://, such as http://127.0.0.1:4318", "%q 不是以 http:// 或 https:// 开头的地址，例如 http://127.0.0.1:4318"},
		{"%q has a user or a password; credentials are headers and go into the variable OTEL_EXPORTER_OTLP_HEADERS",
			"%q 含有用户名或密码；凭据是标头，应放入变量 OTEL_EXPORTER_OTLP_HEADERS"},
		{"%q: an address has no query and no fragment", "%q：地址不能有查询部分和片段"},

		{"%s: %s is not NAME=VALUE, such as attempts=3", "%s：%s 不是 NAME=VALUE，例如 attempts=3"},
		{"%s: %s is not an option; is %s meant?", "%s：%s 不是选项；是否指 %s？"},
		{"%s: %s is not an option; the options are %s", "%s：%s 不是选项；选项有 %s"},
		{"%s: %s names no file", "%s：%s 没有指明文件"},
		{"%s: %s begins with ~, which only a shell replaces; write the whole path", "%s：%s 以 ~ 开头，只有 shell 才会替换它；请写完整路径"},
		{"%s: %s is not allowed; it is one of: %s", "%s：%s 不允许；可用的值：%s"},
		{"%s: %s is not a whole number from %s to %s", "%s：%s 不是从 %s 到 %s 的整数"},
		{"%s: %s is not a duration above 0s; write a number and a unit (ms, s, m, h), such as 90s or 1m30s",
			"%s：%s 不是大于 0s 的时长；请写数字加单位（ms、s、m、h），例如 90s 或 1m30s"},
		{"%s: %s is neither the address of a proxy, such as http://proxy.example:3128, nor direct",
			"%s：%s 既不是代理的地址（例如 http://proxy.example:3128），也不是 direct"},
		{"%s: %s is neither a size from 1B to 1GiB, such as 16KiB, nor off", "%s：%s 既不是 1B 到 1GiB 的大小（例如 16KiB），也不是 off"},
		{"%s: %s is neither a duration above 0s, such as 30s, nor off", "%s：%s 既不是大于 0s 的时长（例如 30s），也不是 off"},
		{"%s: a double quote stands only around a whole value, as in ca=\"/my files/ca.pem\"", "%s：双引号只能括住整个值，例如 ca=\"/my files/ca.pem\""},
		{"%s has no options; write them after it, such as attempts=3", "%s 没有选项；请写在其后，例如 attempts=3"},
		{"%s: the option %s stands twice", "%s：选项 %s 出现了两次"},
		{"%s: a certificate needs its private key; set key too", "%s：证书需要对应的私钥；请同时设置 key"},
		{"%s: a private key needs its certificate; set cert too", "%s：私钥需要对应的证书；请同时设置 cert"},
		{"%s stands twice; write all of its options in one line", "%s 出现了两次；请把它的全部选项写在一行中"},
		{"%s is none of the upstreams, and there are none", "%s 不是上游，而且没有任何上游"},
		{"%s is none of the upstreams; write %s, or * for all", "%s 不是上游；请写 %s，或用 * 表示全部"},

		{"%s in GOPROXY is this very server and is left out; the upstreams are now %s (%s)", "GOPROXY 中的 %s 就是这个服务器自己，已略去；现在的上游是 %s（%s）"},
		{"while %s is out of reach nothing behind its ',' is asked, so public modules fail too; `failover: any` asks %s then for modules that match no private pattern",
			"%s 无法访问时，其 ',' 之后的都不会被询问，公共模块也会失败；设 `failover: any` 后，对不匹配任何私有模式的模块会改问 %s"},
		{"failover is any and private is empty, so every module counts as public: while %s is out of reach the names it guards are asked of %s; list them in private",
			"failover 为 any 而 private 为空，因此所有模块都视为公共模块：%s 无法访问时，它所保护的名称会被拿去询问 %s；请将它们列入 private"},
		{"the weight of %s has no effect: weights share the questions out among upstreams that '|' joins, and it is joined to none",
			"%s 的权重不起作用：权重在以 '|' 相连的上游之间分配询问，而它没有与任何上游相连"},
		{"the weights of %s and those that '|' joins to it come to %s percent, and there are 100 to share out",
			"%s 以及与它以 '|' 相连的上游的权重共计百分之 %s，而可分配的只有一百"},
		{"what bearer-file and headers-file send to %s goes through the network unencrypted; use https",
			"bearer-file 和 headers-file 发往 %s 的内容以明文经过网络；请使用 https"},
		{"ca, cert and key have no effect on %s, which is not asked over https", "ca、cert 和 key 对 %s 不起作用，因为询问它时不经过 https"},
	}
}

// chineseRunning is what commands say while they run.
func chineseRunning() []entry {
	return []entry{
		{"%s: good", "%s：正确"},
		{"listen: %q names no port that could be asked", "listen：%q 没有可以询问的端口"},
		{"not ready after %s: %s", "%s 后仍未就绪：%s"},
		{"%s: no answer: %s", "%s：没有应答：%s"},
		{"%s: the answer is %s", "%s：应答为 %s"},
		{"%s: the answer is %s: %s", "%s：应答为 %s：%s"},
		{"listening on %s, state in %s, upstreams %s", "正在监听 %s，状态存放在 %s，上游为 %s"},
		{"the certificate is of an authority of this server's own (%s), SHA-256 %s", "证书由本服务器自己的颁发机构（%s）签发，SHA-256 为 %s"},
		{"a client gets it with: %s", "客户端获取它：%s"},
		{"and trusts it, where the SHA-256 is the same, with one of:", "若 SHA-256 相同，用下列之一信任它："},
		{"  Linux, the go command alone: %s", "  Linux，仅 go 命令：%s"},
		{"  Linux, all programs: %s", "  Linux，所有程序：%s"},
		{"  macOS: %s", "  macOS 系统：%s"},
		{"  Windows: %s", "  Windows 系统：%s"},
		{"the upstream %s does not answer (%v)", "上游 %s 没有应答（%v）"},
		{"in mainland China use: %s", "在中国大陆请使用：%s"},
	}
}
