package conformance

// noteSpent has the log say what the run's execs were for, and the report how many were for what.
func (c *Run) noteSpent() {
	c.report.Stats.ExecsFor = c.runner.Spent.ByPurpose()
	for _, line := range c.runner.Spent.Lines() {
		c.folder.log.Print(line)
	}
	if took := c.runner.Spent.LooksTook(); took != "" {
		c.folder.log.Print(took)
	}
}
