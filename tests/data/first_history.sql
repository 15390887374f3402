-- A history that the first version wrote, by running it: its shape before there were schema versions.
BEGIN TRANSACTION;
CREATE TABLE annotations (
	id INTEGER NOT NULL, 
	monitor TEXT NOT NULL, 
	at FLOAT NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	text TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "annotations" VALUES(1,'replay',1.79545990253596949573e+09,'baseline','Baseline of 24 answers. the first');
CREATE TABLE baseline_samples (
	baseline_id VARCHAR(36) NOT NULL, 
	position INTEGER NOT NULL, 
	exchange_id VARCHAR(36) NOT NULL, 
	at FLOAT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (baseline_id, position)
);
INSERT INTO "baseline_samples" VALUES('2824662ceb324355b501bf4aa3aa0f0f',0,'01a209bfd2517477bee4a9fc31437576',1.79545989588992023467e+09,'{"prompt":"question 0","response":"the answer to number 0 is 0","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.012067930001649074,"source":"proxy"}');
INSERT INTO "baseline_samples" VALUES('2824662ceb324355b501bf4aa3aa0f0f',1,'01a209bfd26572ab8f93929baaa76096',1.79545989590981507305e+09,'{"prompt":"question 1","response":"the answer to number 1 is 1","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.012200238998048007,"source":"proxy"}');
INSERT INTO "baseline_samples" VALUES('2824662ceb324355b501bf4aa3aa0f0f',2,'01a209bfd27976a299181be9e5c6cf3a',1.79545989592992329599e+09,'{"prompt":"question 2","response":"the answer to number 2 is 4","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.0037182899977779016,"source":"proxy"}');
INSERT INTO "baseline_samples" VALUES('2824662ceb324355b501bf4aa3aa0f0f',3,'01a209bfd2817125a3c9a5a7829d93e1',1.79545989593779277805e+09,'{"prompt":"question 3","response":"the answer to number 3 is 9","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.008143928993376903,"source":"proxy"}');
INSERT INTO "baseline_samples" VALUES('2824662ceb324355b501bf4aa3aa0f0f',4,'01a209bfd28d7d3696d4e9d1e7aa1d6a',1.79545989594976067543e+09,'{"prompt":"question 4","response":"the answer to number 4 is 16","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.004481069001485594,"source":"proxy"}');
INSERT INTO "baseline_samples" VALUES('2824662ceb324355b501bf4aa3aa0f0f',5,'01a209bfd29c7515b053b45dd30fa702',1.79545989596400880818e+09,'{"prompt":"question 5","response":"the answer to number 5 is 25","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.027179127995623276,"source":"proxy"}');
INSERT INTO "baseline_samples" VALUES('2824662ceb324355b501bf4aa3aa0f0f',6,'01a209bfd2b97674bf9a321eedcb1e8b',1.79545989599320650106e+09,'{"prompt":"question 6","response":"the answer to number 6 is 36","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.010757869997178204,"source":"proxy"}');
INSERT INTO "baseline_samples" VALUES('2824662ceb324355b501bf4aa3aa0f0f',7,'01a209bfd2d17a1a94fb88b861d77d47',1.79545989601779270175e+09,'{"prompt":"question 7","response":"the answer to number 7 is 49","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.008040118991630152,"source":"proxy"}');
INSERT INTO "baseline_samples" VALUES('2824662ceb324355b501bf4aa3aa0f0f',8,'01a209bfd2df7121bb1b110b6b4c51ab',1.79545989603162503243e+09,'{"prompt":"question 8","response":"the answer to number 8 is 64","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.01069150900002569,"source":"proxy"}');
INSERT INTO "baseline_samples" VALUES('2824662ceb324355b501bf4aa3aa0f0f',9,'01a209bfd2ed75d98a9613de5d740a13',1.79545989604572653773e+09,'{"prompt":"question 9","response":"the answer to number 9 is 81","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.016105098999105394,"source":"proxy"}');
INSERT INTO "baseline_samples" VALUES('2824662ceb324355b501bf4aa3aa0f0f',10,'01a209bfd2ff7fa981e28d2e952c4886',1.79545989606385135647e+09,'{"prompt":"question 10","response":"the answer to number 10 is 100","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.009996748995035887,"source":"proxy"}');
INSERT INTO "baseline_samples" VALUES('2824662ceb324355b501bf4aa3aa0f0f',11,'01a209bfd30b78eda47583cdf6adedf4',1.79545989607589244843e+09,'{"prompt":"question 11","response":"the answer to number 11 is 121","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.008522010000888258,"source":"proxy"}');
INSERT INTO "baseline_samples" VALUES('2824662ceb324355b501bf4aa3aa0f0f',12,'01a209bfd31971d9bc13ce967089de6c',1.79545989608980321883e+09,'{"prompt":"question 12","response":"the answer to number 12 is 144","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.010788929997943342,"source":"proxy"}');
INSERT INTO "baseline_samples" VALUES('2824662ceb324355b501bf4aa3aa0f0f',13,'01a209bfd32e7173bd30bda72b422f22',1.79545989611094141012e+09,'{"prompt":"question 13","response":"the answer to number 13 is 169","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.01496316900011152,"source":"proxy"}');
INSERT INTO "baseline_samples" VALUES('2824662ceb324355b501bf4aa3aa0f0f',14,'01a209bfd3457391a9494fbcecebf20d',1.79545989613377499584e+09,'{"prompt":"question 14","response":"the answer to number 14 is 196","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.00875880899548065,"source":"proxy"}');
INSERT INTO "baseline_samples" VALUES('2824662ceb324355b501bf4aa3aa0f0f',15,'01a209bfd3517e4bbddc35d0907dffcf',1.79545989614574432371e+09,'{"prompt":"question 15","response":"the answer to number 15 is 225","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.006899339990923181,"source":"proxy"}');
INSERT INTO "baseline_samples" VALUES('2824662ceb324355b501bf4aa3aa0f0f',16,'01a209bfd36373aba48186fbe6f83e26',1.79545989616305065152e+09,'{"prompt":"question 16","response":"the answer to number 16 is 256","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.0026838299963856116,"source":"proxy"}');
INSERT INTO "baseline_samples" VALUES('2824662ceb324355b501bf4aa3aa0f0f',17,'01a209bfd3697414873e3b33f2a85860',1.7954598961697542667e+09,'{"prompt":"question 17","response":"the answer to number 17 is 289","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.01028904999839142,"source":"proxy"}');
INSERT INTO "baseline_samples" VALUES('2824662ceb324355b501bf4aa3aa0f0f',18,'01a209bfd37a7150ba7501709e90f302',1.79545989618606042863e+09,'{"prompt":"question 18","response":"the answer to number 18 is 324","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.003680320005514659,"source":"proxy"}');
INSERT INTO "baseline_samples" VALUES('2824662ceb324355b501bf4aa3aa0f0f',19,'01a209bfd37f795a81e7661176de9577',1.7954598961912732124e+09,'{"prompt":"question 19","response":"the answer to number 19 is 361","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.0028366999904392287,"source":"proxy"}');
INSERT INTO "baseline_samples" VALUES('2824662ceb324355b501bf4aa3aa0f0f',20,'01a209bfd3887b4a9be03c9aea1419b3',1.79545989620092988009e+09,'{"prompt":"question 20","response":"the answer to number 20 is 400","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.014963878988055512,"source":"proxy"}');
INSERT INTO "baseline_samples" VALUES('2824662ceb324355b501bf4aa3aa0f0f',21,'01a209bfd39d7fbda0cae9e0c8a162bc',1.79545989622182631485e+09,'{"prompt":"question 21","response":"the answer to number 21 is 441","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.012198099007946439,"source":"proxy"}');
INSERT INTO "baseline_samples" VALUES('2824662ceb324355b501bf4aa3aa0f0f',22,'01a209bfd3ac77c8a5d379b4f254ea36',1.7954598962362415791e+09,'{"prompt":"question 22","response":"the answer to number 22 is 484","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.00964638899313286,"source":"proxy"}');
INSERT INTO "baseline_samples" VALUES('2824662ceb324355b501bf4aa3aa0f0f',23,'01a209bfd3b77b4281a5607667d613d6',1.79545989624763417244e+09,'{"prompt":"question 23","response":"the answer to number 23 is 529","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.001054289998137392,"source":"proxy"}');
CREATE TABLE baselines (
	id VARCHAR(36) NOT NULL, 
	monitor TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	size INTEGER NOT NULL, 
	encoder TEXT NOT NULL, 
	note TEXT NOT NULL, 
	calibration TEXT, 
	PRIMARY KEY (id)
);
INSERT INTO "baselines" VALUES('2824662ceb324355b501bf4aa3aa0f0f','replay',1.79545990209359693527e+09,24,'all-MiniLM-L6-v2/53aa51172d14/fp32','the first',NULL);
CREATE TABLE commands (
	id VARCHAR(36) NOT NULL, 
	at FLOAT NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	arguments TEXT NOT NULL, 
	answer TEXT, 
	PRIMARY KEY (id)
);
CREATE TABLE events (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at FLOAT NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	body TEXT NOT NULL
);
INSERT INTO "events" VALUES(4,1.79545991343097281452e+09,'score','{"monitor":"replay","at":1795459913.4251611,"severity":"LOW","health_index":88.40498696856018,"ratio":0.3621572955035652,"mmd2":-0.0025786539782648443,"centroid_distance":0.07959719197397797,"message":"No drift: nothing to do. Provisional: a baseline of 100 answers has calibrated thresholds."}');
INSERT INTO "events" VALUES(5,1.79545992361480879779e+09,'score','{"monitor":"replay","at":1795459923.6123319,"severity":"LOW","health_index":88.40498696856018,"ratio":0.3621572955035652,"mmd2":-0.014075524694677988,"centroid_distance":0.0709982286539691,"message":"No drift: nothing to do. Provisional: a baseline of 100 answers has calibrated thresholds."}');
CREATE TABLE monitors (
	name TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	last_scored_at FLOAT, 
	model TEXT NOT NULL, 
	response_model TEXT NOT NULL, 
	received INTEGER NOT NULL, 
	observed INTEGER NOT NULL, 
	baseline_id VARCHAR(36), 
	counts TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "monitors" VALUES('replay',1.79545989818377542497e+09,1.79545991562680768965e+09,'replay','replay',33,9,'2824662ceb324355b501bf4aa3aa0f0f','{"scored":33}');
CREATE TABLE reports (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	monitor TEXT NOT NULL, 
	at FLOAT NOT NULL, 
	severity VARCHAR(8), 
	body TEXT NOT NULL
);
INSERT INTO "reports" VALUES(1,'replay',1.79545990341043829917e+09,'LOW','{"monitor":"replay","at":1795459903.4104383,"baseline_id":"2824662ceb324355b501bf4aa3aa0f0f","encoder":"all-MiniLM-L6-v2/53aa51172d14/fp32","baseline_samples":24,"observed":5,"window_samples":5,"detectors":[{"name":"mmd_5","window":5,"samples":5,"statistic":0.049071752938671054,"threshold":0.13549844095672386,"ratio":0.3621572955035652}],"mmd2":0.049071752938671054,"centroid_distance":0.13777716753612979,"centroid_mmd2":0.08525266120231678,"threshold":0.13549844095672386,"ratio":0.3621572955035652,"health_index":88.40498696856018,"severity":"LOW","provisional":true,"run_length":null,"calibration_progress":0.0,"missing":0,"missing_from":"","message":"No drift: nothing to do. Provisional: a baseline of 100 answers has calibrated thresholds."}');
INSERT INTO "reports" VALUES(2,'replay',1.7954599134251611232e+09,'LOW','{"monitor":"replay","at":1795459913.4251611,"baseline_id":"2824662ceb324355b501bf4aa3aa0f0f","encoder":"all-MiniLM-L6-v2/53aa51172d14/fp32","baseline_samples":24,"observed":8,"window_samples":5,"detectors":[{"name":"mmd_5","window":5,"samples":5,"statistic":-0.0025786539782648443,"threshold":0.13549844095672386,"ratio":0.3621572955035652}],"mmd2":-0.0025786539782648443,"centroid_distance":0.07959719197397797,"centroid_mmd2":0.007204806816651477,"threshold":0.13549844095672386,"ratio":0.3621572955035652,"health_index":88.40498696856018,"severity":"LOW","provisional":true,"run_length":null,"calibration_progress":0.0,"missing":0,"missing_from":"","message":"No drift: nothing to do. Provisional: a baseline of 100 answers has calibrated thresholds."}');
INSERT INTO "reports" VALUES(3,'replay',1.79545992361233186724e+09,'LOW','{"monitor":"replay","at":1795459923.6123319,"baseline_id":"2824662ceb324355b501bf4aa3aa0f0f","encoder":"all-MiniLM-L6-v2/53aa51172d14/fp32","baseline_samples":24,"observed":9,"window_samples":5,"detectors":[{"name":"mmd_5","window":5,"samples":5,"statistic":-0.014075524694677988,"threshold":0.13549844095672386,"ratio":0.3621572955035652}],"mmd2":-0.014075524694677988,"centroid_distance":0.0709982286539691,"centroid_mmd2":-0.010159556563000605,"threshold":0.13549844095672386,"ratio":0.3621572955035652,"health_index":88.40498696856018,"severity":"LOW","provisional":true,"run_length":null,"calibration_progress":0.0,"missing":0,"missing_from":"","message":"No drift: nothing to do. Provisional: a baseline of 100 answers has calibrated thresholds."}');
CREATE TABLE rollups (
	monitor TEXT NOT NULL, 
	hour INTEGER NOT NULL, 
	reports INTEGER NOT NULL, 
	mmd2_sum FLOAT NOT NULL, 
	mmd2_max FLOAT NOT NULL, 
	centroid_sum FLOAT NOT NULL, 
	health_min FLOAT, 
	severity_max INTEGER, 
	PRIMARY KEY (monitor, hour)
);
INSERT INTO "rollups" VALUES('replay',1795456800,3,3.24175742657282217606e-02,4.90717529386710538119e-02,2.88372588164076848471e-01,8.84049869685601805678e+01,0);
CREATE TABLE samples (
	monitor TEXT NOT NULL, 
	slot INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	exchange_id VARCHAR(36) NOT NULL, 
	at FLOAT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (monitor, slot)
);
INSERT INTO "samples" VALUES('replay',0,0,'01a209bfd2517477bee4a9fc31437576',1.79545989588992023467e+09,'{"prompt":"question 0","response":"the answer to number 0 is 0","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.012067930001649074,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',1,1,'01a209bfd26572ab8f93929baaa76096',1.79545989590981507305e+09,'{"prompt":"question 1","response":"the answer to number 1 is 1","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.012200238998048007,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',2,2,'01a209bfd27976a299181be9e5c6cf3a',1.79545989592992329599e+09,'{"prompt":"question 2","response":"the answer to number 2 is 4","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.0037182899977779016,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',3,3,'01a209bfd2817125a3c9a5a7829d93e1',1.79545989593779277805e+09,'{"prompt":"question 3","response":"the answer to number 3 is 9","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.008143928993376903,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',4,4,'01a209bfd28d7d3696d4e9d1e7aa1d6a',1.79545989594976067543e+09,'{"prompt":"question 4","response":"the answer to number 4 is 16","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.004481069001485594,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',5,5,'01a209bfd29c7515b053b45dd30fa702',1.79545989596400880818e+09,'{"prompt":"question 5","response":"the answer to number 5 is 25","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.027179127995623276,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',6,6,'01a209bfd2b97674bf9a321eedcb1e8b',1.79545989599320650106e+09,'{"prompt":"question 6","response":"the answer to number 6 is 36","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.010757869997178204,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',7,7,'01a209bfd2d17a1a94fb88b861d77d47',1.79545989601779270175e+09,'{"prompt":"question 7","response":"the answer to number 7 is 49","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.008040118991630152,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',8,8,'01a209bfd2df7121bb1b110b6b4c51ab',1.79545989603162503243e+09,'{"prompt":"question 8","response":"the answer to number 8 is 64","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.01069150900002569,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',9,9,'01a209bfd2ed75d98a9613de5d740a13',1.79545989604572653773e+09,'{"prompt":"question 9","response":"the answer to number 9 is 81","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.016105098999105394,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',10,10,'01a209bfd2ff7fa981e28d2e952c4886',1.79545989606385135647e+09,'{"prompt":"question 10","response":"the answer to number 10 is 100","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.009996748995035887,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',11,11,'01a209bfd30b78eda47583cdf6adedf4',1.79545989607589244843e+09,'{"prompt":"question 11","response":"the answer to number 11 is 121","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.008522010000888258,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',12,12,'01a209bfd31971d9bc13ce967089de6c',1.79545989608980321883e+09,'{"prompt":"question 12","response":"the answer to number 12 is 144","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.010788929997943342,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',13,13,'01a209bfd32e7173bd30bda72b422f22',1.79545989611094141012e+09,'{"prompt":"question 13","response":"the answer to number 13 is 169","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.01496316900011152,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',14,14,'01a209bfd3457391a9494fbcecebf20d',1.79545989613377499584e+09,'{"prompt":"question 14","response":"the answer to number 14 is 196","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.00875880899548065,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',15,15,'01a209bfd3517e4bbddc35d0907dffcf',1.79545989614574432371e+09,'{"prompt":"question 15","response":"the answer to number 15 is 225","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.006899339990923181,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',16,16,'01a209bfd36373aba48186fbe6f83e26',1.79545989616305065152e+09,'{"prompt":"question 16","response":"the answer to number 16 is 256","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.0026838299963856116,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',17,17,'01a209bfd3697414873e3b33f2a85860',1.7954598961697542667e+09,'{"prompt":"question 17","response":"the answer to number 17 is 289","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.01028904999839142,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',18,18,'01a209bfd37a7150ba7501709e90f302',1.79545989618606042863e+09,'{"prompt":"question 18","response":"the answer to number 18 is 324","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.003680320005514659,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',19,19,'01a209bfd37f795a81e7661176de9577',1.7954598961912732124e+09,'{"prompt":"question 19","response":"the answer to number 19 is 361","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.0028366999904392287,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',20,20,'01a209bfd3887b4a9be03c9aea1419b3',1.79545989620092988009e+09,'{"prompt":"question 20","response":"the answer to number 20 is 400","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.014963878988055512,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',21,21,'01a209bfd39d7fbda0cae9e0c8a162bc',1.79545989622182631485e+09,'{"prompt":"question 21","response":"the answer to number 21 is 441","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.012198099007946439,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',22,22,'01a209bfd3ac77c8a5d379b4f254ea36',1.7954598962362415791e+09,'{"prompt":"question 22","response":"the answer to number 22 is 484","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.00964638899313286,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',23,23,'01a209bfd3b77b4281a5607667d613d6',1.79545989624763417244e+09,'{"prompt":"question 23","response":"the answer to number 23 is 529","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.001054289998137392,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',24,24,'01a209bfec97753baa3749c7860e5059',1.79545990261541605001e+09,'{"prompt":"question 0","response":"the answer to number 0 is 0","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.0017944199935300276,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',25,25,'01a209bfec9a7b36bb5c8000a50c6a4a',1.79545990261856031411e+09,'{"prompt":"question 1","response":"the answer to number 1 is 1","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.0007579700031783432,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',26,26,'01a209bfec9c7a5a80c1a8455c700cae',1.79545990262057256702e+09,'{"prompt":"question 2","response":"the answer to number 2 is 4","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.0020155300007900223,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',27,27,'01a209bfec9e7f0a87547ee1acf1198e',1.79545990262281680112e+09,'{"prompt":"question 3","response":"the answer to number 3 is 9","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.0006054699915694073,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',28,28,'01a209bfeca07d2d9b307647744f6922',1.79545990262439656261e+09,'{"prompt":"question 4","response":"the answer to number 4 is 16","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.0010977799975080416,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',29,29,'01a209bfeca2757682d6178b528ce608',1.79545990262621235847e+09,'{"prompt":"question 5","response":"the answer to number 5 is 25","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.0007579100056318566,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',30,30,'01a209bfeca37e409b6e4c3f1c272158',1.79545990262789773939e+09,'{"prompt":"question 6","response":"the answer to number 6 is 36","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.0010748799977591261,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',31,31,'01a209bfeca5745184cc0843063567fd',1.79545990262967109681e+09,'{"prompt":"question 7","response":"the answer to number 7 is 49","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.0011210200027562678,"source":"proxy"}');
INSERT INTO "samples" VALUES('replay',32,32,'01a209c01f6a7c9f8191fbfbff8d31d2',1.79545991562680768965e+09,'{"prompt":"question 9","response":"the answer to number 9 is 81","model":"replay","finish_reason":"stop","output_tokens":7,"duration_seconds":0.001119510008720681,"source":"proxy"}');
CREATE TABLE state (
	name VARCHAR(32) NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "state" VALUES('worker','{"pid":17890,"stage":"stopped","since":1795459927.1313539,"heartbeat_at":1795459927.1313589,"error":"","encoder":"all-MiniLM-L6-v2/53aa51172d14/fp32","vector_store":"/data/vectors","answers_per_second":6.176964718882873,"share":1.0,"calibrating":{},"embedding_counts":[0,0,0,8,33,33,33,33,33,33],"embedding_seconds":5.930097157004639,"tokens":{"replay":[330,231]}}');
INSERT INTO "state" VALUES('cursor','33');
CREATE TABLE witnesses (
	monitor TEXT NOT NULL, 
	at FLOAT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (monitor)
);
INSERT INTO "witnesses" VALUES('replay',1.79545992361480879779e+09,'[{"exchange_id":"01a209bfeca5745184cc0843063567fd","baseline_exchange_id":"01a209bfd2d17a1a94fb88b861d77d47","prompt":"question 7","baseline_prompt":"question 7","baseline":"the answer to number 7 is 49","current":"the answer to number 7 is 49","witness":0.03644622241457307,"prompt_similarity":1.0},{"exchange_id":"01a209bfeca37e409b6e4c3f1c272158","baseline_exchange_id":"01a209bfd2b97674bf9a321eedcb1e8b","prompt":"question 6","baseline_prompt":"question 6","baseline":"the answer to number 6 is 36","current":"the answer to number 6 is 36","witness":0.02016553282737732,"prompt_similarity":1.000000238418579},{"exchange_id":"01a209bfeca2757682d6178b528ce608","baseline_exchange_id":"01a209bfd29c7515b053b45dd30fa702","prompt":"question 5","baseline_prompt":"question 5","baseline":"the answer to number 5 is 25","current":"the answer to number 5 is 25","witness":0.009779746333758,"prompt_similarity":1.0000001192092896},{"exchange_id":"01a209c01f6a7c9f8191fbfbff8d31d2","baseline_exchange_id":"01a209bfd2ed75d98a9613de5d740a13","prompt":"question 9","baseline_prompt":"question 9","baseline":"the answer to number 9 is 81","current":"the answer to number 9 is 81","witness":-0.003181484838326809,"prompt_similarity":1.0000001192092896},{"exchange_id":"01a209bfeca07d2d9b307647744f6922","baseline_exchange_id":"01a209bfd28d7d3696d4e9d1e7aa1d6a","prompt":"question 4","baseline_prompt":"question 4","baseline":"the answer to number 4 is 16","current":"the answer to number 4 is 16","witness":-0.01850219815969467,"prompt_similarity":1.000000238418579}]');
CREATE INDEX ix_samples_exchange_id ON samples (exchange_id);
CREATE INDEX ix_baselines_monitor ON baselines (monitor);
CREATE INDEX reports_by_time ON reports (monitor, at);
CREATE INDEX ix_annotations_monitor ON annotations (monitor);
CREATE INDEX ix_commands_answer ON commands (answer);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',5);
INSERT INTO "sqlite_sequence" VALUES('reports',3);
COMMIT;
