//! Tables in and out: CSV and XLSX, files that become rows of the database, and phone numbers as people write them.

pub mod country;
pub mod csv_table;
pub mod file_import;
pub mod phone_number;
pub mod table_export;
pub mod table_file;
