package inputs

// DebianSources is the machine's own entry for Debian's archive, as apt's
// newer format has it, for other suites: for a root file system that is to be
// made from where this machine takes its packages.
func (s *Store) DebianSources(suite string) (string, error) {
	entry, err := s.archive()
	if err != nil {
		return "", err
	}
	return entry.render("deb", suite), nil
}
