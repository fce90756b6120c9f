require ["fileinto", "enotify", "body"];
# rule:[Boss by SMS]
if header :contains "from" "boss@example.net"
{
	notify :message "x" "mailto:hana@example.jp";
}
# rule:[Raw]
if body :raw :contains "x"
{
	fileinto "Raw";
}
