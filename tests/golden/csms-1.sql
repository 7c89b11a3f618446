BEGIN TRANSACTION;
CREATE TABLE calls (
	no INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	station VARCHAR(48) NOT NULL, 
	action VARCHAR(50) NOT NULL, 
	payload BLOB NOT NULL, 
	session VARCHAR(24), 
	state VARCHAR(10) NOT NULL, 
	created_at BIGINT NOT NULL, 
	sent_at BIGINT, 
	done_at BIGINT, 
	expires_at BIGINT NOT NULL, 
	response TEXT, 
	PRIMARY KEY (no), 
	UNIQUE (id)
);
CREATE TABLE connectors (
	station VARCHAR(48) NOT NULL, 
	evse INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	type VARCHAR(20) NOT NULL, 
	current VARCHAR(2) NOT NULL, 
	max_kw FLOAT, 
	status VARCHAR(20) NOT NULL, 
	status_at BIGINT, 
	PRIMARY KEY (station, evse, number)
);
INSERT INTO "connectors" VALUES('cs-1',1,1,'Type2','AC',7.4,'',NULL);
INSERT INTO "connectors" VALUES('cs-2',1,1,'Type2','AC',7.4,'',NULL);
CREATE TABLE counters (
	name VARCHAR(40) NOT NULL, 
	value BIGINT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "counters" VALUES('remote_start',7);
CREATE TABLE events (
	no INTEGER NOT NULL, 
	session INTEGER NOT NULL, 
	seq_no INTEGER NOT NULL, 
	received_at BIGINT NOT NULL, 
	payload BLOB NOT NULL, 
	PRIMARY KEY (no)
);
INSERT INTO "events" VALUES(1,1,0,1795435200000000,X'7B226576656E7454797065223A2253746172746564227D');
CREATE TABLE evses (
	station VARCHAR(48) NOT NULL, 
	number INTEGER NOT NULL, 
	code VARCHAR(12) NOT NULL, 
	problems VARCHAR(400) NOT NULL, 
	PRIMARY KEY (station, number), 
	FOREIGN KEY(station) REFERENCES stations (id) ON DELETE CASCADE, 
	UNIQUE (code)
);
INSERT INTO "evses" VALUES('cs-1',1,'5D8VB8','');
INSERT INTO "evses" VALUES('cs-2',1,'NYBJ4S','');
CREATE TABLE id_tokens (
	id_token VARCHAR(36) NOT NULL, 
	type VARCHAR(20) NOT NULL, 
	status VARCHAR(24) NOT NULL, 
	driver VARCHAR(24), 
	expires_at BIGINT, 
	group_id VARCHAR(36), 
	PRIMARY KEY (id_token, type), 
	FOREIGN KEY(driver) REFERENCES users (id) ON DELETE SET NULL
);
INSERT INTO "id_tokens" VALUES('04A1B2C3','ISO14443','Accepted','u1',NULL,NULL);
INSERT INTO "id_tokens" VALUES('04FFEEDD','ISO14443','Accepted',NULL,NULL,NULL);
INSERT INTO "id_tokens" VALUES('Du1','Central','Accepted','u1',NULL,NULL);
CREATE TABLE logins (
	token_hash VARCHAR(64) NOT NULL, 
	user VARCHAR(24) NOT NULL, 
	created_at BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	PRIMARY KEY (token_hash), 
	FOREIGN KEY(user) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE refusals (
	station VARCHAR(48) NOT NULL, 
	code VARCHAR(50) NOT NULL, 
	count BIGINT NOT NULL, 
	last_at BIGINT NOT NULL, 
	last_text VARCHAR(200) NOT NULL, 
	PRIMARY KEY (station, code)
);
INSERT INTO "refusals" VALUES('cs-1','FormationViolation',3,1795435200000000,'it''s odd');
CREATE TABLE sessions (
	no INTEGER NOT NULL, 
	id VARCHAR(24) NOT NULL, 
	station VARCHAR(48) NOT NULL, 
	transaction_id VARCHAR(36), 
	evse INTEGER, 
	connector INTEGER, 
	driver VARCHAR(24), 
	id_token VARCHAR(36), 
	state VARCHAR(10) NOT NULL, 
	created_at BIGINT NOT NULL, 
	started_at BIGINT, 
	ended_at BIGINT, 
	updated_at BIGINT NOT NULL, 
	start_wh BIGINT, 
	energy_wh BIGINT NOT NULL, 
	power_w FLOAT, 
	soc_pct FLOAT, 
	stop_reason VARCHAR(40), 
	complete BOOLEAN NOT NULL, 
	flags TEXT NOT NULL, 
	remote_start_id INTEGER, 
	folded BLOB NOT NULL, 
	PRIMARY KEY (no), 
	UNIQUE (station, transaction_id), 
	UNIQUE (id)
);
INSERT INTO "sessions" VALUES(1,'s1','cs-1','tx-1',1,1,'u1','04A1B2C3','ended',1795435200000000,1795435200000000,1795435200000000,1795435200000000,1000,4200,NULL,NULL,NULL,1,'',NULL,X'');
CREATE TABLE sites (
	id VARCHAR(48) NOT NULL, 
	name VARCHAR(120) NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE stations (
	id VARCHAR(48) NOT NULL, 
	site VARCHAR(48), 
	vendor VARCHAR(50) NOT NULL, 
	model VARCHAR(50) NOT NULL, 
	serial VARCHAR(25) NOT NULL, 
	firmware VARCHAR(50) NOT NULL, 
	protocol VARCHAR(20) NOT NULL, 
	link_up BOOLEAN NOT NULL, 
	link_since BIGINT, 
	seen_at BIGINT, 
	booted_at BIGINT, 
	boot_reason VARCHAR(40) NOT NULL, 
	password_hash VARCHAR(200) NOT NULL, 
	registered_at BIGINT NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(site) REFERENCES sites (id)
);
INSERT INTO "stations" VALUES('cs-1',NULL,'','','','','ocpp2.0.1',0,NULL,NULL,NULL,'','',1795435200000000);
INSERT INTO "stations" VALUES('cs-2',NULL,'','','','','ocpp2.0.1',0,NULL,NULL,NULL,'','',1795435200000000);
CREATE TABLE users (
	id VARCHAR(24) NOT NULL, 
	email VARCHAR(254) NOT NULL, 
	name VARCHAR(120) NOT NULL, 
	role VARCHAR(10) NOT NULL, 
	password_hash VARCHAR(200) NOT NULL, 
	created_at BIGINT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (email)
);
INSERT INTO "users" VALUES('u1','dario@colonnina.test','Dario','driver','none',1795435200000000);
CREATE INDEX sessions_by_state ON sessions (state);
CREATE INDEX sessions_by_remote_start ON sessions (remote_start_id);
CREATE INDEX sessions_by_driver ON sessions (driver, no);
CREATE INDEX events_by_session ON events (session);
CREATE INDEX calls_by_station ON calls (station, state);
COMMIT;
