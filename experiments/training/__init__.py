"""One network, one configuration, two engines: what trains, records, resumes and draws."""
